// Says that the answer goes on below, such as with the other decisions, and leads there: a bar may be invisible.
const NEAR = 8; // pixels that make no difference

export function connectMore() {
  const button = document.getElementById("more-below");
  const region = button.parentElement;

  function show() {
    const own = button.hidden ? 0 : button.offsetHeight;
    button.hidden = region.scrollHeight - own - region.scrollTop - region.clientHeight <= NEAR;
  }

  button.addEventListener("click", () => {
    region.scrollBy({ top: region.clientHeight * 0.8, behavior: "smooth" });
    region.focus({ preventScroll: true });
  });
  region.addEventListener("scroll", show, { passive: true });
  const observer = new ResizeObserver(show);
  observer.observe(region);
  for (const part of region.children) if (part !== button) observer.observe(part);
  document.body.addEventListener("htmx:afterSettle", show);
  show();
}
