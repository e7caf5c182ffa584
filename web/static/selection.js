// Which tasks are selected: by checkbox, by shift-click a range of them, or all that fit the filters.

import { byId } from "./dom.js";
import { rows } from "./task-rows.js";

/** Ids of the selected tasks of this page. */
export const selected = new Set();
/** All tasks that fit the filters, on all pages, are meant. */
export let everything = false;

let anchor = null;
let changed = () => {};

/** Make the checkboxes work; `onChange` is called after each change. */
export function start(onChange) {
  changed = onChange;
  byId("all").disabled = false;
  byId("all").addEventListener("change", ({ target }) => {
    for (const id of rows.keys()) set(id, target.checked);
    tell();
  });
  // The click says whether shift was held, also that of the space bar; "change" does not.
  byId("rows").addEventListener("click", (event) => {
    const check = event.target.closest("input");
    if (!check) return;
    const id = check.closest("tr").dataset.id;
    for (const each of event.shiftKey ? range(anchor, id) : [id]) set(each, check.checked);
    anchor = id;
    tell();
  });
  byId("rows").addEventListener("mousedown", (event) => {
    if (event.shiftKey && event.target.closest(".check")) event.preventDefault(); // do not select text
  });
}

function range(from, to) {
  const ids = [...rows.keys()];
  const ends = [ids.indexOf(from), ids.indexOf(to)].sort((a, b) => a - b);
  return ends[0] < 0 ? [to] : ids.slice(ends[0], ends[1] + 1);
}

function set(id, on) {
  if (on) selected.add(id);
  else selected.delete(id);
}

function tell() {
  everything = false;
  show();
  changed();
}

/** Mean all tasks that fit, not only those of this page. */
export function selectEverything() {
  for (const id of rows.keys()) selected.add(id);
  everything = true;
  show();
  changed();
}

export function clear() {
  selected.clear();
  anchor = null;
  tell();
}

/** Bring the checkboxes in line. */
export function show() {
  for (const [id, row] of rows) {
    row.check.checked = selected.has(id);
    row.element.toggleAttribute("data-selected", selected.has(id));
  }
  const all = byId("all");
  all.checked = rows.size > 0 && selected.size === rows.size;
  all.indeterminate = selected.size > 0 && !all.checked;
}
