// Short words about something that went wrong in the background; they stay until dismissed.
const place = () => document.getElementById("toasts");

export function showToast(words) {
  const shown = [...place().querySelectorAll("[data-words]")].map((element) => element.textContent);
  if (shown.includes(words)) return;
  const toast = document.getElementById("toast-template").content.firstElementChild.cloneNode(true);
  toast.querySelector("[data-words]").textContent = words;
  toast.querySelector("button").addEventListener("click", () => toast.remove());
  place().append(toast);
}
