// Wheel, mouse and fingers on the stage.
const WHEEL_STEP = 40;
const DRAG_STEP = 14;

export function connectGestures(stack, zoom, look) {
  const stage = document.getElementById("stage");
  const pointers = new Map();
  let rolled = 0;
  let dragged = 0;

  stage.addEventListener(
    "wheel",
    (event) => {
      if (event.ctrlKey || (stack.count === 1 && zoom.isZoomed)) {
        event.preventDefault();
        zoom.by(Math.exp(-event.deltaY / 300), event.clientX, event.clientY);
        return;
      }
      if (stack.count === 1) return;
      event.preventDefault();
      rolled += event.deltaMode === 1 ? event.deltaY * WHEEL_STEP : event.deltaY;
      const steps = Math.trunc(rolled / WHEEL_STEP);
      if (!steps) return;
      rolled = event.deltaMode === 0 && Math.abs(event.deltaY) < WHEEL_STEP ? rolled - steps * WHEEL_STEP : 0;
      stack.step(Math.abs(event.deltaY) >= 100 ? Math.sign(steps) : steps);
    },
    { passive: false },
  );

  stage.addEventListener("pointerdown", (event) => {
    if (event.target.closest("button")) return; // a captured pointer would click the stage instead
    stage.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, buttons: event.buttons });
    dragged = 0;
  });
  for (const name of ["pointerup", "pointercancel"]) {
    stage.addEventListener(name, (event) => pointers.delete(event.pointerId));
  }
  stage.addEventListener("contextmenu", (event) => event.preventDefault());

  stage.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const byX = event.clientX - before.x;
    const byY = event.clientY - before.y;
    if (pointers.size === 2) pinch(event, byX, byY);
    else if (before.buttons === 2) look.drag(byX, byY);
    else if (before.buttons === 4 || zoom.isZoomed) zoom.move(byX, byY);
    else scroll(byY);
    before.x = event.clientX;
    before.y = event.clientY;
  });

  function scroll(byY) {
    dragged += byY;
    const steps = Math.trunc(dragged / DRAG_STEP);
    if (!steps) return;
    dragged -= steps * DRAG_STEP;
    stack.step(steps);
  }

  function pinch(event, byX, byY) {
    const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
    const here = pointers.get(event.pointerId);
    const before = Math.hypot(here.x - other.x, here.y - other.y);
    const after = Math.hypot(event.clientX - other.x, event.clientY - other.y);
    zoom.move(byX / 2, byY / 2);
    if (before > 0) zoom.by(after / before, (event.clientX + other.x) / 2, (event.clientY + other.y) / 2);
  }
}
