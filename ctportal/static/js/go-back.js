// A button marked data-back leads to the page before.
document.addEventListener("click", (event) => event.target.closest("[data-back]") && history.back());
