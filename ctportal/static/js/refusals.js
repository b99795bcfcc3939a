// HTMX: refusals of the server become toasts, never a page that silently stays as it was.
import { gettext } from "./language.js";
import { showToast } from "./toasts.js";

const WORDS = {
  0: gettext("The portal does not answer. Check the connection; nothing was changed."),
  401: gettext("You were logged out. Log in again."),
  403: gettext("You may not do this here."),
  404: gettext("This is no longer there. Reload the page."),
  429: gettext("Too many requests in a short time. Wait a minute, then try again."),
  500: gettext("Something went wrong on our side; it was logged. Try again, or tell your administrator."),
};

const isPoll = (event) => event.detail.requestConfig?.headers["X-Poll"];

const hasWords = (xhr) => xhr.getResponseHeader("X-Refusal") && xhr.responseText;

document.body.addEventListener("htmx:beforeSwap", (event) => {
  if (!hasWords(event.detail.xhr)) return;
  event.detail.shouldSwap = false;
  event.detail.isError = true;
});

document.body.addEventListener("htmx:responseError", (event) => {
  const { xhr } = event.detail;
  if (isPoll(event) && xhr.status >= 500) return; // the next poll asks again
  showToast(hasWords(xhr) ? xhr.responseText : (WORDS[xhr.status] ?? WORDS[500]));
});

document.body.addEventListener("htmx:sendError", (event) => {
  if (!isPoll(event)) showToast(WORDS[0]);
});
