// Shows JSON as a tree that opens and closes. Everything is text, numbers digit by digit as they were sent.

import { copyButton } from "./copy.js";
import { el } from "./dom.js";
import { elements, members, pretty, visible } from "./json.js";

/** Characters of one value, and values of one list, that are shown at first. */
const LONG = 2000;
const MANY = 100;
/** Levels that are open at first, unless they hold more than this many values. */
const OPEN_LEVELS = 2;
const OPEN_MOST = 30;

/** Make a view of JSON text, with a button that copies all of it. */
export function jsonView(text, label = "JSON") {
  const raw = text.trim();
  const made = el("div", { className: "json", role: "group", "aria-label": label });
  made.append(copyButton(pretty(raw), label), node(raw, 0));
  return made;
}

function node(raw, level) {
  if (raw[0] === "{") return tree(raw, level, [...members(raw)], "{", "}");
  if (raw[0] === "[") return tree(raw, level, elements(raw).map((each) => ["", each]), "[", "]");
  return leaf(raw);
}

function leaf(raw) {
  const kind = raw[0] === '"' ? "string" : /^[-\d]/.test(raw) ? "number" : "word";
  const whole = visible(raw);
  const made = el("span", { className: kind, textContent: whole.slice(0, LONG) });
  if (whole.length <= LONG) return made;
  const more = el("button", { type: "button", className: "link", textContent: `… ${(whole.length - LONG).toLocaleString("en")} more characters` });
  more.addEventListener("click", () => {
    made.textContent = whole;
    more.remove();
  });
  return el("span", {}, made, more);
}

function tree(raw, level, entries, open, close) {
  if (entries.length === 0) return el("span", { className: "word", textContent: open + close });
  const noun = open === "{" ? "key" : "item";
  const count = `${entries.length} ${noun}${entries.length === 1 ? "" : "s"}`;
  const list = el("ul");
  const summary = el("summary", {}, el("span", { className: "word", textContent: open }), el("span", { className: "count", textContent: count }));
  const made = el("details", {}, summary, list, el("span", { className: "word", textContent: close }));
  let filled = false;
  const fill = () => {
    if (filled || !made.open) return;
    filled = true;
    add(list, entries, 0, level, open === "{");
  };
  made.addEventListener("toggle", fill);
  made.open = level < OPEN_LEVELS && entries.length <= OPEN_MOST;
  fill();
  return made;
}

function add(list, entries, from, level, named) {
  entries.slice(from, from + MANY).forEach(([name, raw], at) => {
    const key = named && el("span", { className: "key", textContent: visible(JSON.stringify(name)) });
    const comma = from + at + 1 < entries.length ? "," : null;
    list.append(el("li", {}, key || null, key ? ": " : null, node(raw, level + 1), comma));
  });
  const left = entries.length - from - MANY;
  if (left <= 0) return;
  const more = el("button", { type: "button", className: "link", textContent: `… ${left.toLocaleString("en")} more` });
  more.addEventListener("click", () => {
    more.parentElement.remove();
    add(list, entries, from + MANY, level, named);
  });
  list.append(el("li", {}, more));
}
