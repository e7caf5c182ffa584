// The filters of the list: kept in the address under the names of the API, shown as chips.

import { byId, el } from "./dom.js";
import { visible } from "./json.js";
import { exact, now } from "./time.js";

const NAMES = ["status", "type", "priority", "queue", "tag", "created_after", "created_before"];
/** Those that a stream of events can be asked for without missing that a task leaves the list. */
const STREAMED = ["type", "priority", "queue"];
const SINGLE = ["created_after", "created_before"];

/** Which tasks to list: pairs of name and value. It never changes; `with` and `without` make others. */
export class Filters {
  constructor(pairs) {
    this.pairs = pairs;
  }

  static read(search) {
    return new Filters([...new URLSearchParams(search)].filter(([name]) => NAMES.includes(name)));
  }

  has(name, value) {
    return this.pairs.some((pair) => pair[0] === name && pair[1] === value);
  }

  values(name) {
    return this.pairs.filter((pair) => pair[0] === name).map((pair) => pair[1]);
  }

  with(name, value) {
    const others = this.pairs.filter((pair) => pair[0] !== name || (!SINGLE.includes(name) && pair[1] !== value));
    return new Filters([...others, [name, value]]);
  }

  without(name, value) {
    return new Filters(this.pairs.filter((pair) => pair[0] !== name || pair[1] !== value));
  }

  toggled(name, value) {
    return this.has(name, value) ? this.without(name, value) : this.with(name, value);
  }

  /** Return them as a query, with more pairs behind, or "". */
  query(...more) {
    const text = new URLSearchParams([...this.pairs, ...more]).toString();
    return text && `?${text}`;
  }

  get streamed() {
    return new Filters(this.pairs.filter(([name]) => STREAMED.includes(name))).query();
  }

  /** Return them as the filter of a bulk order; `status` replaces the states. */
  body(status = this.values("status")) {
    const found = {};
    for (const name of NAMES) {
      const values = name === "status" ? status : this.values(name);
      if (values.length) found[name] = SINGLE.includes(name) ? values[0] : values;
    }
    return found;
  }
}

let current = null;
let changed = () => {};

/** Make the controls work; `onChange` gets the new filters. */
export function start(filters, onChange) {
  changed = onChange;
  const form = byId("more");
  byId("created").hidden = false;
  byId("filters").addEventListener("click", (event) => {
    const chip = event.target.closest("a.chip");
    if (!chip || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    changed(current.toggled(chip.dataset.name, chip.dataset.value));
  });
  form.addEventListener("change", ({ target }) => {
    const value = target.value.trim();
    if (value === "") return;
    if (target.id === "created") created(value);
    else changed(current.with(target.name, value));
    target.value = "";
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    form.elements.tag.dispatchEvent(new Event("change", { bubbles: true }));
  });
  byId("between").addEventListener("submit", (event) => {
    event.preventDefault();
    between(event.target);
  });
  show(filters);
}

function created(value) {
  byId("between").hidden = value !== "between";
  if (value === "between") {
    byId("between").querySelector("input").focus();
    return;
  }
  const after = new Date(now() - Number(value) * 1000);
  after.setMilliseconds(0);
  changed(current.with("created_after", after.toISOString()));
}

function between(form) {
  let next = current;
  for (const { name, value } of form.querySelectorAll("input")) {
    if (value) next = next.with(name, new Date(value).toISOString());
  }
  const [after, before] = SINGLE.map((name) => next.values(name)[0]);
  const error = form.querySelector(".error");
  error.hidden = !(after && before && after >= before);
  error.textContent = "The first time has to be the earlier one.";
  if (!error.hidden || next === current) return;
  form.hidden = true;
  form.reset();
  changed(next);
}

/** Show filters as chips. */
export function show(filters) {
  current = filters;
  for (const chip of document.querySelectorAll("#filters a.state")) {
    const on = filters.has("status", chip.dataset.value);
    chip.classList.toggle("on", on);
    chip.href = `/tasks${filters.toggled("status", chip.dataset.value).query()}`;
    if (on) chip.setAttribute("aria-current", "true");
    else chip.removeAttribute("aria-current");
  }
  const chips = filters.pairs.filter(([name]) => name !== "status").map(([name, value]) => chipOf(name, value));
  if (filters.pairs.length > 1) chips.push(el("a", { className: "clear", href: "/tasks", textContent: "Clear all" }));
  byId("chips").replaceChildren(...chips);
  for (const each of document.querySelectorAll("#more input[type=hidden]")) each.remove();
}

function chipOf(name, value) {
  const words = name.replace("_", " ");
  const at = SINGLE.includes(name) ? Date.parse(value) : Number.NaN;
  const text = Number.isNaN(at) ? visible(value) : exact(at).replace(/\.\d+$/, "");
  return el(
    "a",
    { className: "chip on", href: `/tasks${current.without(name, value).query()}`, "@data-name": name, "@data-value": value, "aria-label": `Remove the filter ${words} ${text}` },
    el("span", { className: "quiet-text", textContent: words }), " ", el("bdi", { textContent: text }), " ", el("span", { "aria-hidden": "true", textContent: "×" }),
  );
}

/** Show how many tasks each state has, or nothing where that is not known. */
export function showCounts(counts) {
  for (const chip of document.querySelectorAll("#filters a.state")) {
    const number = chip.querySelector(".number");
    number.hidden = !counts;
    if (counts) number.textContent = counts[chip.dataset.value].toLocaleString("en");
  }
}
