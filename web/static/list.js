// The newest tasks. Rows are changed in place, so that focus and scroll position stay.

import { request } from "./api.js";
import { breakable, byId, el, setText } from "./dom.js";

const NEWEST = 20;
/** Milliseconds between looks. */
const EVERY = 3000;

const rows = new Map();
let onOpen = () => {};
let looking = false;

/** Begin; `open(id)` is called when a task is chosen. */
export function start(open) {
  onOpen = open;
  byId("refresh").addEventListener("click", refresh);
  setInterval(() => document.hidden || refresh(), EVERY);
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  return refresh();
}

/** Read the list now. */
export async function refresh() {
  if (looking) return;
  looking = true;
  try {
    const { text, headers } = await request(`/api/tasks?limit=${NEWEST}`);
    const now = Date.parse(headers.get("Date")) || Date.now(); // this computer's clock may be wrong
    show(JSON.parse(text).tasks, now);
  } catch {
    // The banner says so, and the next look comes soon.
  } finally {
    looking = false;
  }
}

/** Mark the task that is shown. */
export function mark(id) {
  for (const [key, row] of rows) {
    if (key === id) row.open.setAttribute("aria-current", "true");
    else row.open.removeAttribute("aria-current");
  }
}

function show(tasks, now) {
  const body = byId("rows");
  const ids = tasks.map((each) => each.task_id);
  for (const [id, row] of rows) {
    if (ids.includes(id)) continue;
    row.element.remove();
    rows.delete(id);
  }
  tasks.forEach((task, at) => {
    if (!rows.has(task.task_id)) rows.set(task.task_id, makeRow(task));
    const row = rows.get(task.task_id);
    setText(row.status, task.status);
    row.status.dataset.status = task.status;
    setText(row.age, age(now - Date.parse(task.created_at)));
    if (body.children[at] !== row.element) body.insertBefore(row.element, body.children[at] || null);
  });
  byId("no-rows").hidden = tasks.length > 0;
}

function makeRow(task) {
  const open = el("button", { type: "button", className: "link" }, ...breakable(task.task_type));
  open.title = task.task_id;
  open.addEventListener("click", () => onOpen(task.task_id));
  const status = el("span", { className: "badge" });
  const when = el("td", { className: "right" });
  const element = el("tr", {}, el("td", {}, open), el("td", {}, status), el("td", { textContent: task.priority }), when);
  return { element, open, status, age: when };
}

/** Return milliseconds as a short duration. */
export function age(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}
