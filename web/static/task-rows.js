// The rows of the list: changed in place, so that focus, scroll position and selection stay.
// templates/tasks.html makes the same rows on the server.

import { badge, priority, progress, setBadge, setProgress } from "./badges.js";
import { breakable, byId, el, setText } from "./dom.js";
import { elements, members, visible } from "./json.js";
import { timeElement } from "./time.js";

const BRIEF = 200;
/** Characters of an answer up to which parameters are shown digit by digit. */
const EXACT_MOST = 400000;

/** id → {element, check, badge, bar, why, attempts, status, version} in the order of the page. */
export let rows = new Map();

/** Return the tasks of a list's answer (text), each with `brief`, the beginning of its parameters. */
export function parsed(text) {
  const { tasks, next } = JSON.parse(text);
  const raws = text.length < EXACT_MOST ? elements(members(text).get("tasks")) : [];
  tasks.forEach((task, at) => {
    const brief = raws[at] ? members(raws[at]).get("parameters") : JSON.stringify(task.parameters);
    task.brief = visible(brief.length > BRIEF ? `${brief.slice(0, BRIEF)}…` : brief);
  });
  return { tasks, next };
}

/** Show these tasks. */
export function draw(tasks) {
  const before = rows;
  const body = byId("rows");
  const first = before.size === 0;
  rows = new Map(tasks.map((task) => [task.task_id, before.get(task.task_id) || make(task, !first)]));
  for (const element of [...body.children]) {
    if (rows.get(element.dataset.id)?.element !== element) element.remove();
  }
  tasks.forEach((task, at) => {
    const row = rows.get(task.task_id);
    change(row, task);
    setText(row.attempts, String(task.attempts));
    setText(row.why, task.error ? visible(`${task.error.type}: ${task.error.message}`.slice(0, BRIEF)) : "");
    row.why.title = row.why.textContent;
    if (body.children[at] !== row.element) body.insertBefore(row.element, body.children[at] || null);
  });
}

/** Take what an event or a list says of a task, unless more is known. */
export function change(row, { status, progress: fraction, stage, version }) {
  if (version < row.version) return;
  Object.assign(row, { status, version });
  row.element.dataset.status = status;
  setBadge(row.badge, status);
  setProgress(row.bar, fraction);
  row.bar.title = visible(stage || "");
}

function make(task, fresh) {
  const id = task.task_id;
  const check = el("input", { type: "checkbox", "aria-label": `Select ${task.task_type} ${id}` });
  const link = el("a", { href: `/tasks/${id}`, title: id }, ...breakable(task.task_type));
  const state = badge(task.status);
  const bar = progress(task.progress, `Progress of ${task.task_type}`);
  const why = el("span", { className: "why isolate" });
  const attempts = el("td", { className: "wide right" });
  const tags = task.tags.flatMap((tag) => [" ", el("span", { className: "tag", textContent: visible(tag) })]);
  const element = el(
    "tr",
    { "@data-id": id, "@data-new": fresh ? "" : null },
    el("td", { className: "check" }, el("label", { className: "hit" }, check)),
    el("td", { className: "task" }, link, ...tags, el("span", { className: "brief", textContent: task.brief })),
    el("td", {}, state),
    el("td", { className: "wide" }, priority(task.priority)),
    el("td", { className: "wide", textContent: task.queue }),
    el("td", { className: "wide bar" }, bar, why),
    attempts,
    el("td", { className: "right" }, timeElement(task.created_at, "age")),
  );
  return { element, check, badge: state, bar, why, attempts, status: task.status, version: 0 };
}
