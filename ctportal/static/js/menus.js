// The bar's menus: on narrow screens a button shows the navigation; the user's menu closes as menus do.
const toggle = document.querySelector(".bar-toggle");
const bar = document.getElementById("bar-menu");
const menu = document.querySelector("[data-menu]");

toggle?.addEventListener("click", () => {
  const isOpen = bar.classList.toggle("is-open");
  toggle.setAttribute("aria-expanded", String(isOpen));
});

document.addEventListener("click", (event) => {
  if (menu?.open && !menu.contains(event.target)) menu.open = false;
});

menu?.addEventListener("focusout", (event) => {
  if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
});

menu?.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !menu.open) return;
  event.stopPropagation();
  menu.open = false;
  menu.querySelector("summary").focus();
});
