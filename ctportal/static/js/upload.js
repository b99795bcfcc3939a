// The upload: gathers files, sends what belongs together in one request, and keeps what was refused in the list.
import { filled, gettext, ngettext } from "./language.js";
import { fromDrop, fromInput } from "./upload-files.js";
import { looksLikeOneScan } from "./upload-one-scan.js";
import { ask } from "./upload-question.js";
import { FileLine, Row, sizeInWords } from "./upload-rows.js";
import { send } from "./upload-sender.js";

const AT_ONCE = 2;
const form = document.querySelector("form[data-upload]");
const part = (name) => form.querySelector(`[data-${name}]`);
const maxFiles = Number(form.dataset.maxFiles);
const maxBytes = { zip: Number(form.dataset.maxZipBytes) };
maxBytes.dicom = maxBytes.image = Number(form.dataset.maxBytes);
const queue = [];
let units = []; // what the list shows: one file, or the DICOM files that were added together
let underWay = 0;

const isOpen = (unit) => unit.row.state === "waiting";
const fileCount = (some) => some.reduce((sum, unit) => sum + unit.items.length, 0);

function seriesName(items) {
  if (items.length === 1) return items[0].path;
  const folders = new Set(items.map(({ path }) => path.split("/").slice(0, -1).join("/")));
  const [folder] = folders;
  const number = items.length;
  if (folders.size > 1 || !folder) return filled(ngettext("%(number)s DICOM file", "%(number)s DICOM files", number), { number });
  return filled(ngettext("%(number)s DICOM file from %(folder)s", "%(number)s DICOM files from %(folder)s", number), { number, folder });
}

function addUnit(kind, items) {
  const unit = { kind, items };
  unit.row = new Row({
    name: seriesName(items),
    size: items.reduce((sum, { file }) => sum + file.size, 0),
    onRetry: () => start([unit]),
    onRemove: () => {
      remove(unit);
      part("drop").querySelector("input").focus();
    },
  });
  units.push(unit);
  part("list").append(unit.row.element);
  unfold(unit);
  if (items.length === 1 && items[0].file.size > maxBytes[kind]) {
    unit.row.show("refused", filled(gettext("The file is larger than %(size)s. Send the series in parts."), { size: sizeInWords(maxBytes[kind]) }));
    unit.row.part("retry").hidden = true;
  }
  return unit;
}

function unfold(unit) {
  unit.lines = undefined;
  if (unit.items.length < 2) return unit.row.fold("", []);
  unit.lines = new Map(unit.items.map((item) => [item, new FileLine(item.path)]));
  unit.row.fold(gettext("Each file"), [...unit.lines.values()]);
}

function remove(unit) {
  units = units.filter((other) => other !== unit);
  unit.row.element.remove();
  refresh();
  suggest();
}

const isNew = (item) =>
  !units.some((unit) => unit.items.some(({ path, file }) => path === item.path && file.size === item.file.size));

// All DICOM files at once, so that a series in several folders stays whole; folder by folder only
// where they are too many for one request.
function inRequests(items) {
  if (items.length <= maxFiles) return items.length ? [items] : [];
  const folders = new Map();
  for (const item of items) {
    const folder = item.path.split("/").slice(0, -1).join("/");
    folders.set(folder, [...(folders.get(folder) ?? []), item]);
  }
  return [...folders.values()];
}

function add(found) {
  const fresh = found.filter(isNew);
  const open = units.find((unit) => unit.kind === "dicom" && isOpen(unit));
  const dicom = fresh.filter(({ kind }) => kind === "dicom");
  if (open && dicom.length) {
    dicom.unshift(...open.items);
    remove(open);
  }
  for (const items of inRequests(dicom)) addUnit("dicom", items);
  for (const item of fresh.filter(({ kind }) => kind !== "dicom")) addUnit(item.kind, [item]);
  refresh();
  suggest();
  if (fresh.length) part("send").focus();
  else if (found.length) part("summary").textContent = gettext("These files are in the list already.");
}

function refresh() {
  const open = units.filter(isOpen);
  const images = open.filter(({ kind }) => kind === "image");
  part("together").hidden = images.length < 2 && !part("together").querySelector("input").checked;
  part("send").hidden = !open.length;
  const number = fileCount(open);
  part("send-words").textContent = filled(ngettext("Upload %(number)s file", "Upload %(number)s files", number), { number });
  part("clear").hidden = !units.length || underWay > 0;
  part("summary").textContent = "";
}

const openImages = () => units.filter((unit) => unit.kind === "image" && isOpen(unit)).flatMap(({ items }) => items);
const nameOf = (items) => items.map(({ path }) => path).join("\n");
let answered = ""; // the images of which it was said whether they are one scan

// Asks whether the images are one scan, where they look like it and it was not said yet.
async function suggest() {
  const images = openImages();
  const looks = nameOf(images) !== answered && !form.elements.together.checked && (await looksLikeOneScan(images));
  if (nameOf(images) !== nameOf(openImages())) return;
  part("one-scan").hidden = !looks;
  part("one-scan-words").textContent = filled(
    gettext("These %(number)s images look like one scan: one size, numbered names."),
    { number: images.length },
  );
}

function answer(isOne) {
  answered = nameOf(openImages());
  form.elements.together.checked = isOne;
  part("one-scan").hidden = true;
  part("summary").textContent = "";
  part("send").focus();
}

// What travels in one request: a series, a zip, an image; or all images when they belong together.
function requests(chosen) {
  const isTogether = form.elements.together.checked;
  const images = isTogether ? chosen.filter(({ kind }) => kind === "image") : [];
  const others = chosen.filter((unit) => !images.includes(unit)).map((unit) => [unit]);
  return images.length ? [images, ...others] : others;
}

function start(chosen) {
  for (const some of requests(chosen)) {
    const count = fileCount(some);
    if (count > maxFiles) {
      const words = filled(
        gettext("%(count)s files are too many for one scan's upload: at most %(most)s. Send them as a zip."),
        { count, most: maxFiles },
      );
      for (const unit of some) unit.row.show("failed", words);
    } else {
      for (const unit of some) unit.row.show("sending");
      queue.push(some);
    }
  }
  next();
}

async function next() {
  if (underWay >= AT_ONCE || !queue.length) {
    if (!underWay) finish();
    return;
  }
  const some = queue.shift();
  underWay += 1;
  refresh();
  next();
  const answer = await send(form, some.flatMap(({ items }) => items), options(some), (item, share) => advance(some, item, share));
  underWay -= 1;
  settle(some, answer);
  if (answer.scans?.length) document.body.dispatchEvent(new CustomEvent("scans-changed"));
  next();
}

const options = (some) => ({
  confirmation: some[0].confirmation,
  together: form.elements.together.checked,
  anyModality: form.elements.accept_any_modality.checked,
});

function advance(some, item, share) {
  const unit = some.find(({ items }) => items.includes(item));
  item.share = share;
  unit.lines?.get(item).progress(share);
  const bytes = (of) => unit.items.reduce((sum, each) => sum + Math.max(each.file.size, 1) * of(each), 0);
  const whole = bytes((each) => each.share ?? 0) / bytes(() => 1);
  unit.row.progress(whole);
  if (whole >= 1 && unit.row.state === "sending") unit.row.show("checking");
}

function settle(some, answer) {
  if (answer.question) {
    settleQuestion(some, answer.question);
    return;
  }
  for (const unit of some) {
    if (answer.trouble) {
      unit.row.show("failed", answer.trouble);
      unfold(unit);
    } else settleUnit(unit, some, answer);
  }
  if (answer.refusals?.some(({ code }) => code === "dicom-not-ct")) part("any-modality").hidden = false;
}

// One question for what travelled together, below its first line.
function settleQuestion(some, question) {
  for (const unit of some) {
    unit.row.show("asked");
    unfold(unit);
  }
  ask(some[0].row.element, question, (reason) => {
    for (const unit of some) unit.confirmation = reason;
    start(some);
  });
}

const fateOf = (refusals) => (refusals.every(({ code }) => code === "duplicate") ? "present" : "refused");
const inWords = ({ problem, remedy }) => `${problem} ${remedy}`;
const concerns = (path) => (refusal) =>
  refusal.file === path || refusal.file.startsWith(`${path}/`) || refusal.file.startsWith(`${path} and `);

function settleUnit(unit, some, { scans, refusals, words }) {
  const isAlone = some.length === 1;
  const own = isAlone ? refusals : refusals.filter(concerns(unit.items[0].path));
  const rest = takeOut(unit, own);
  if (!unit.items.length) {
    remove(unit);
  } else if (["refused", "present"].includes(unit.row.state)) {
    return;
  } else if (!rest.length) {
    const notes = isAlone ? scans.flatMap((scan) => scan.notes) : [];
    unit.row.show("stored", isAlone ? [words, ...notes].join(" ") : "");
    unit.lines?.forEach((line) => line.finish(gettext("stored")));
  } else settlePartly(unit, rest, isAlone ? scans.length : 0, isAlone ? words : "");
}

// Each refused file gets a line of its own, to be tried again or removed. What is left are refusals of
// files inside a zip, or of several files in one word.
function takeOut(unit, refusals) {
  const byFile = new Map(refusals.map((refusal) => [refusal.file, refusal]));
  const refused = unit.items.filter(({ path }) => byFile.has(path));
  if (unit.items.length === 1 && refused.length) {
    const refusal = byFile.get(unit.items[0].path);
    unit.row.show(fateOf([refusal]), inWords(refusal));
    return [];
  }
  unit.items = unit.items.filter((item) => !refused.includes(item));
  for (const item of refused) {
    const refusal = byFile.get(item.path);
    addUnit(unit.kind, [item]).row.show(fateOf([refusal]), inWords(refusal));
  }
  if (refused.length && unit.items.length) {
    unit.row.rename(seriesName(unit.items), unit.items.reduce((sum, { file }) => sum + file.size, 0));
    unfold(unit);
  }
  return refusals.filter(({ file }) => !refused.some(({ path }) => path === file));
}

function settlePartly(unit, refusals, stored, words) {
  const lines = refusals.map((refusal) => {
    const line = new FileLine(refusal.file);
    line.finish(inWords(refusal), true);
    return line;
  });
  const fate = fateOf(refusals);
  unit.row.show(stored ? "partly" : fate, fate === "present" && !stored ? "" : words);
  unit.row.fold(fate === "present" ? gettext("See which") : gettext("See what was refused, and why"), lines, true);
}

function finish() {
  refresh();
  const count = (...states) => fileCount(units.filter(({ row }) => states.includes(row.state)));
  const parts = [
    [count("stored"), (number) => ngettext("%(number)s file stored", "%(number)s files stored", number)],
    [count("partly"), (number) => ngettext("%(number)s file partly stored", "%(number)s files partly stored", number)],
    [count("present"), (number) => ngettext("%(number)s file already in the case", "%(number)s files already in the case", number)],
    [
      count("asked"),
      (number) => ngettext("%(number)s file not stored: say whose they are", "%(number)s files not stored: say whose they are", number),
    ],
    [
      count("refused", "failed"),
      (number) => ngettext("%(number)s file not stored: the list says why", "%(number)s files not stored: the list says why", number),
    ],
  ];
  const words = parts.filter(([number]) => number).map(([number, fate]) => filled(fate(number), { number }));
  part("summary").textContent = words.length ? `${words.join(", ")}.` : "";
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!part("one-scan").hidden) {
    part("summary").textContent = gettext("Say first whether these images are one scan.");
    part("one-scan-yes").focus();
    return;
  }
  start(units.filter(isOpen));
});

async function take(input) {
  add(await fromInput(input));
  input.value = "";
}

for (const input of form.querySelectorAll("input[type=file]")) {
  input.addEventListener("change", () => take(input));
  if (input.files.length) take(input); // chosen before this script ran, on a slow line
}
part("one-scan-yes").addEventListener("click", () => answer(true));
part("one-scan-no").addEventListener("click", () => answer(false));
part("clear").addEventListener("click", () => {
  for (const unit of units) unit.row.element.remove();
  units = [];
  refresh();
  suggest();
});

const drop = part("drop");
for (const type of ["dragenter", "dragover"]) {
  drop.addEventListener(type, (event) => {
    event.preventDefault();
    drop.classList.add("is-over");
  });
}
drop.addEventListener("dragleave", (event) => drop.contains(event.relatedTarget) || drop.classList.remove("is-over"));
drop.addEventListener("drop", async (event) => {
  event.preventDefault();
  drop.classList.remove("is-over");
  add(await fromDrop(event.dataTransfer));
});
// A file dropped beside the zone must not replace the page.
for (const type of ["dragover", "drop"]) {
  document.addEventListener(type, (event) => event.target.closest("[data-drop]") || event.preventDefault());
}
addEventListener("beforeunload", (event) => {
  if (underWay) event.preventDefault();
});

part("any-modality").hidden = true;
refresh();
