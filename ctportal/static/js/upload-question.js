// Asks whose scan it is, where the files name another patient than the case's or are in another patient's case.

const template = () => document.getElementById("patient-question-template").content.firstElementChild;
let asked = 0;

function row({ words, in_case: inCase, in_file: inFile }) {
  const line = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = words;
  line.append(head);
  for (const value of [inCase, inFile]) {
    const cell = document.createElement("td");
    cell.textContent = value;
    line.append(cell);
  }
  return line;
}

// Each question has ids of its own, for its labels.
function number(element) {
  asked += 1;
  for (const field of element.querySelectorAll("[id]")) field.id += `-${asked}`;
  for (const label of element.querySelectorAll("label")) label.htmlFor += `-${asked}`;
}

export function ask(parent, question, onConfirm) {
  const element = template().cloneNode(true);
  const part = (name) => element.querySelector(`[data-question-${name}]`);
  number(element);
  part("words").textContent = question.words;
  part("elsewhere").textContent = question.elsewhere;
  part("elsewhere").hidden = !question.elsewhere;
  element.querySelector(".table-wrap").hidden = !question.differences.length;
  part("rows").replaceChildren(...question.differences.map(row));
  const [box, reason] = element.querySelectorAll("input");
  // Fields of a question are no fields of the form around it.
  for (const field of [box, reason]) field.removeAttribute("name");
  part("send").addEventListener("click", () => {
    const isAnswered = box.checked && reason.value.trim();
    part("missing").hidden = Boolean(isAnswered);
    if (isAnswered) onConfirm(reason.value.trim());
  });
  parent.append(element);
  box.focus();
}
