// Runs before the page is drawn: sets the theme, and says that scripts work.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const wanted = root.dataset.theme;
    root.dataset.shownTheme = wanted === "auto" ? (dark.matches ? "dark" : "light") : wanted;
  };
  root.classList.add("js");
  apply();
  dark.addEventListener("change", apply);
  new MutationObserver(apply).observe(root, { attributeFilter: ["data-theme"] });
})();
