// One line of the upload's list: a file, or a series whose files lie in a fold below it.
import { filled, gettext, written } from "./language.js";

export const STATES = {
  waiting: gettext("Not sent yet"),
  sending: gettext("Sending"),
  checking: gettext("Checking"),
  stored: gettext("Stored"),
  partly: gettext("Partly stored"),
  present: gettext("Already here"),
  asked: gettext("Not sent: whose is it?"),
  refused: gettext("Refused"),
  failed: gettext("Not sent"),
};

const template = () => document.getElementById("upload-row-template").content.firstElementChild;

export function sizeInWords(bytes) {
  const units = ["B", "KB", "MB", "GB"];
  let step = 0;
  while (bytes >= 1024 && step < units.length - 1) {
    bytes /= 1024;
    step += 1;
  }
  return `${written(bytes, step && bytes < 10 ? 1 : 0)} ${units[step]}`;
}

export class Row {
  constructor({ name, size, onRetry, onRemove }) {
    this.element = template().cloneNode(true);
    this.part("name").textContent = name;
    this.part("size").textContent = sizeInWords(size);
    this.part("progress").setAttribute("aria-label", filled(gettext("%(name)s: progress"), { name }));
    for (const of of this.element.querySelectorAll("[data-of]")) of.textContent = ` ${name}`;
    this.part("retry").addEventListener("click", onRetry);
    this.part("remove").addEventListener("click", onRemove);
    this.show("waiting");
  }

  part(name) {
    return this.element.querySelector(`:scope > [data-${name}], :scope > .upload-buttons > [data-${name}]`);
  }

  rename(name, size) {
    this.part("name").textContent = name;
    this.part("size").textContent = sizeInWords(size);
  }

  progress(share) {
    this.part("progress").value = Math.round(share * 100);
  }

  show(state, words = "") {
    this.state = state;
    this.element.className = `upload-row is-${state}`;
    this.part("state").textContent = STATES[state];
    this.part("words").textContent = words;
    const busy = state === "sending" || state === "checking";
    this.part("progress").hidden = !busy;
    this.part("retry").hidden = !["failed", "refused", "partly"].includes(state);
    this.part("remove").hidden = busy;
    this.element.querySelector(":scope > .upload-question")?.remove();
  }

  // The files of a series, or what was refused of it: lines of their own below.
  fold(summary, rows, open = false) {
    const details = this.part("files");
    details.hidden = !rows.length;
    details.open = open;
    details.querySelector("summary").textContent = summary;
    details.querySelector("ul").replaceChildren(...rows.map((row) => row.element));
  }
}

export class FileLine {
  constructor(name) {
    this.element = document.createElement("li");
    this.element.className = "upload-line";
    this.name = document.createElement("span");
    this.bar = document.createElement("progress");
    this.words = document.createElement("span");
    this.name.textContent = name;
    this.bar.max = 100;
    this.bar.value = 0;
    this.bar.setAttribute("aria-label", filled(gettext("%(name)s: progress"), { name }));
    this.words.className = "muted";
    this.element.append(this.name, this.bar, this.words);
  }

  progress(share) {
    this.bar.value = Math.round(share * 100);
  }

  finish(words, isRefused = false) {
    this.bar.hidden = true;
    this.words.textContent = words;
    this.element.classList.toggle("is-refused", isRefused);
  }
}
