// The list of a case's scans: it opens at the scan on screen, and closes with Escape or a click elsewhere.
export function connectPicker() {
  const picker = document.getElementById("scan-picker");
  if (!picker) return;
  picker.addEventListener("toggle", () => {
    if (picker.open) picker.querySelector("[aria-current]")?.scrollIntoView({ block: "center" });
  });
  picker.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !picker.open) return;
    event.preventDefault();
    picker.open = false;
    picker.querySelector("summary").focus();
  });
  document.addEventListener("click", (event) => {
    if (!picker.contains(event.target)) picker.open = false;
  });
}
