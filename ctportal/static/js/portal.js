// What every page has. Pages add modules of their own in the block `scripts`.
import "./confirm.js";
import "./go-back.js";
import "./idle.js";
import "./menus.js";
import "./refusals.js";
import "./rows.js";
import "./shortcuts.js";
import "./theme-choice.js";
import "./undo.js";
