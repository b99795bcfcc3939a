// The offer to undo what was just recorded: its seconds are counted down, and with the last one it goes.
for (const form of document.querySelectorAll("form[data-undo]")) {
  const ends = Date.now() + Number(form.dataset.undo) * 1000;
  const words = form.querySelector("[data-seconds]");
  const count = () => {
    const left = Math.ceil((ends - Date.now()) / 1000);
    if (left <= 0) form.remove();
    else {
      words.textContent = left;
      setTimeout(count, 250);
    }
  };
  count();
  window.addEventListener("pageshow", (event) => event.persisted && form.remove()); // its time may be over
}
