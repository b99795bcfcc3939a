// A button marked data-print opens the browser's print window; without scripts the browser's own menu does.
for (const button of document.querySelectorAll("[data-print]")) button.addEventListener("click", () => window.print());
