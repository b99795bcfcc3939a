// Sends a decision and says what became of it: { next }, { errors, lookAgain }, { detail } or { isLoggedOut }.
import { gettext } from "../language.js";

const NO_ANSWER = gettext(
  "The portal does not answer. What you chose and typed is still here. Record it once more when the connection is back: it counts only once.",
);
const PATIENCE = 30000; // milliseconds
const FAILED = gettext(
  "Something went wrong on our side. What you chose and typed is still here; try again, or tell your administrator.",
);

export async function sendDecision(form, button) {
  const body = new FormData(form);
  if (button.name) body.set(button.name, button.value);
  let response;
  try {
    response = await fetch(form.action, {
      method: "POST",
      body,
      headers: { Accept: "application/json" },
      redirect: "manual",
      signal: AbortSignal.timeout(PATIENCE),
    });
  } catch {
    return { detail: NO_ANSWER };
  }
  return read(response);
}

async function read(response) {
  // 403 is a form token of a session before this one, or a right that is lost: the page, asked for anew, tells which.
  if (response.type === "opaqueredirect" || response.status === 401 || response.status === 403) {
    return { isLoggedOut: true };
  }
  let told;
  try {
    told = await response.json();
  } catch {
    return { detail: FAILED };
  }
  if (response.ok) return { next: told.next };
  return { errors: told.errors, lookAgain: told.look_again, detail: told.detail ?? (told.errors ? "" : FAILED) };
}
