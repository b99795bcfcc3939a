// Sends some files in one request, tells how far each has got, and gives back what the portal says.
import { gettext } from "./language.js";

const WORDS = {
  0: gettext("The connection broke off. Look at the case to see whether this was stored; if not, try again."),
  401: gettext("You were logged out. Log in in another window, then try again."),
  403: gettext("You may not upload to this case."),
  404: gettext("This case is no longer there."),
  413: gettext("This is too much for one upload. Send it in parts, or as a zip."),
};

const MOST_TRIES = 60;
const FAULT = gettext("Something went wrong on our side. Look at the case to see what was stored, then try again.");
const troubleOf = (status) => WORDS[status] ?? FAULT;

function bodyOf(form, items, { together, anyModality, confirmation }) {
  const body = new FormData();
  body.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  body.append("names", JSON.stringify(items.map(({ path }) => path)));
  if (together) body.append("together", "on");
  if (anyModality) body.append("accept_any_modality", "on");
  if (confirmation) {
    body.append("confirm_patient", "on");
    body.append("confirm_reason", confirmation);
  }
  for (const { file } of items) body.append("files", file, file.name);
  return body;
}

// The browser counts bytes for the whole request; the files travel in their order.
function shareOut(items, loaded, onProgress) {
  let before = 0;
  for (const item of items) {
    const size = Math.max(item.file.size, 1);
    onProgress(item, Math.min(Math.max((loaded - before) / size, 0), 1));
    before += size;
  }
}

function read(xhr, address) {
  // Led elsewhere, the session was over and this is the log-in page.
  if (xhr.responseURL && xhr.responseURL !== address) return { trouble: WORDS[401] };
  const isJson = (xhr.getResponseHeader("Content-Type") ?? "").startsWith("application/json");
  const answer = isJson ? JSON.parse(xhr.responseText) : null;
  if (answer?.refusals || answer?.question) return answer;
  return { trouble: answer?.detail ?? troubleOf(xhr.status) };
}

const wait = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

// Where other uploads of the same person are still being read, this one waits for its turn.
export async function send(form, items, options, onProgress) {
  for (let tries = 1; ; tries += 1) {
    const { answer, retryAfter } = await sendOnce(form, items, options, onProgress);
    if (!retryAfter || tries >= MOST_TRIES) return answer;
    await wait(retryAfter);
  }
}

function sendOnce(form, items, options, onProgress) {
  return new Promise((resolve) => {
    const xhr = new XMLHttpRequest();
    xhr.open("POST", form.action);
    xhr.setRequestHeader("Accept", "application/json");
    xhr.upload.addEventListener("progress", ({ loaded }) => shareOut(items, loaded, onProgress));
    xhr.upload.addEventListener("load", () => shareOut(items, Infinity, onProgress));
    xhr.addEventListener("error", () => resolve({ answer: { trouble: WORDS[0] } }));
    xhr.addEventListener("load", () => {
      const retryAfter = xhr.status === 429 ? Number(xhr.getResponseHeader("Retry-After")) || 5 : 0;
      try {
        resolve({ answer: read(xhr, form.action), retryAfter });
      } catch {
        resolve({ answer: { trouble: troubleOf(500) } });
      }
    });
    xhr.send(bodyOf(form, items, options));
  });
}
