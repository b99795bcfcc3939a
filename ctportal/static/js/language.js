// The words of the scripts in the page's language, from the catalogue that the page loads before them. Where that did
// not arrive, they are English.
const catalogue = globalThis.django ?? {};

export const gettext = (text) => catalogue.gettext?.(text) ?? text;

export const ngettext = (one, many, number) => catalogue.ngettext?.(one, many, number) ?? (number === 1 ? one : many);

// The places of a text, such as %(name)s, with their values.
export const filled = (text, values) => text.replace(/%\((\w+)\)s/g, (place, name) => values[name] ?? place);

const language = document.documentElement.lang || "en";

// A number as the page's language writes it.
export const written = (number, digits = 0) =>
  number.toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
