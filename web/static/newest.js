// The newest tasks: first as the server rendered them, then changed in place by events, so that focus and
// scroll position stay. However many events come, the page is touched ten times a second at most.

import { get } from "./api.js";
import { badge, priority, progress, setBadge, setProgress } from "./badges.js";
import { breakable, byId, el } from "./dom.js";
import { batched } from "./stream.js";
import { createdAt, timeElement } from "./time.js";

const SHOWN = 15;

/** id → what is known of a task: {version, status, progress, task_type, priority}. */
const tasks = new Map();
const rows = new Map();
const dirty = new Set();
const render = batched(draw);

/** Take over the rows that the server rendered. */
export function start() {
  for (const element of byId("rows").children) {
    const id = element.dataset.id;
    const [name, state, level, bar] = element.children;
    tasks.set(id, {
      version: Number(element.dataset.version),
      status: state.firstElementChild.dataset.status,
      progress: bar.querySelector("progress").value,
      task_type: name.textContent,
      priority: level.textContent,
    });
    rows.set(id, { element, badge: state.firstElementChild, bar: bar.firstElementChild });
  }
}

/** Take an event of `GET /api/events`. */
export function take({ task_id, version, status, progress, task_type, priority }) {
  const known = tasks.get(task_id);
  if (known ? known.version >= version : tooOld(task_id)) return;
  tasks.set(task_id, { version, status, progress, task_type, priority });
  dirty.add(task_id);
  render();
}

/** Read the list: at the start of a stream, because what came before it is not repeated. */
export async function refresh() {
  const { tasks: listed } = await get(`/api/tasks?limit=${SHOWN}`);
  const ids = new Set(listed.map((each) => each.task_id));
  const oldest = listed.at(-1)?.task_id || "";
  for (const id of tasks.keys()) {
    if (!ids.has(id) && id >= oldest && listed.length < SHOWN) tasks.delete(id); // forgotten
  }
  listed.forEach(take);
  render();
}

function tooOld(id) {
  if (tasks.size < SHOWN) return false;
  for (const each of tasks.keys()) if (each < id) return false;
  return true;
}

function draw() {
  const newest = [...tasks.keys()].sort().reverse().slice(0, SHOWN);
  const wanted = new Set(newest);
  for (const id of tasks.keys()) if (!wanted.has(id)) tasks.delete(id);
  for (const [id, row] of rows) {
    if (tasks.has(id)) continue;
    row.element.remove();
    rows.delete(id);
  }
  const body = byId("rows");
  newest.forEach((id, at) => {
    if (!rows.has(id)) rows.set(id, make(id, tasks.get(id)));
    const row = rows.get(id);
    if (dirty.has(id)) {
      row.element.dataset.status = tasks.get(id).status;
      setBadge(row.badge, tasks.get(id).status);
      setProgress(row.bar, tasks.get(id).progress);
    }
    if (body.children[at] !== row.element) body.insertBefore(row.element, body.children[at] || null);
  });
  dirty.clear();
  byId("no-rows").hidden = newest.length > 0;
}

function make(id, task) {
  const link = el("a", { href: `/tasks/${id}`, title: id }, ...breakable(task.task_type));
  const state = badge(task.status);
  const bar = progress(task.progress, `Progress of ${task.task_type}`);
  const made = timeElement(new Date(createdAt(id)).toISOString(), "age");
  const element = el(
    "tr",
    { "@data-id": id, "@data-new": "", "@data-status": task.status },
    el("td", {}, link),
    el("td", {}, state),
    el("td", { className: "wide" }, priority(task.priority)),
    el("td", { className: "bar" }, bar),
    el("td", { className: "right" }, made),
  );
  return { element, badge: state, bar };
}
