// The list of tasks: filters, pages, selection, and rows that stay true while events come in.

import { get, request } from "./api.js";
import { ACTIONS, count, resume, runAll, runEach } from "./bulk.js";
import { counted } from "./dialog.js";
import { byId, el, setText } from "./dom.js";
import * as filtersUi from "./filters.js";
import { may } from "./may.js";
import * as selection from "./selection.js";
import { AllStream, batched } from "./stream.js";
import { change, draw, parsed, rows } from "./task-rows.js";
import { toast } from "./toast.js";

const ROWS = 50;
/** The list is read again at most this often, and not more than a fifth of the time is spent on it. */
const EVERY_MS = 1000;
const SHARE = 5;

let filters = filtersUi.Filters.read(location.search);
let cursor = new URLSearchParams(location.search).get("cursor");
let next = null;
let stream = null;
let loading = null;
let timer = null;
let last = { at: -EVERY_MS, took: 0 };
/** Why the rows stand still: the pointer is at the checkboxes, or a question is open. */
let held = "";
/** Matching tasks, while all of this page are selected. */
let matching = null;

const pending = new Map();
const waiting = new Set();
const render = batched(() => {
  if (paused()) return sayPaused();
  for (const [id, message] of pending) if (rows.has(id)) change(rows.get(id), message);
  pending.clear();
});

const paused = () => (selection.selected.size ? `${selection.selected.size} selected` : held);

function sayPaused() {
  const why = paused();
  const changes = why && waiting.size ? ` · ${counted(waiting.size, "change")} waiting` : "";
  setText(byId("freshness"), why && `paused: ${why}${changes}`);
}

async function load() {
  clearTimeout(timer);
  timer = null;
  loading?.abort();
  const mine = (loading = new AbortController());
  const began = performance.now();
  const more = [["limit", String(ROWS)], ...(cursor ? [["cursor", cursor]] : [])];
  try {
    const { text } = await request(`/api/tasks${filters.query(...more)}`, { signal: mine.signal });
    if (mine.signal.aborted) return;
    const found = parsed(text);
    next = found.next;
    waiting.clear();
    draw(found.tasks);
    selection.show();
    byId("waiting")?.remove();
    showAround("");
  } catch (problem) {
    if (problem.name === "AbortError") return;
    if (problem.status === 422) {
      draw([]);
      showAround(problem.errors.map((each) => `${each.pointer.slice(1)} ${each.detail}`).join("; ") || problem.message);
    } else if (timer === null) timer = setTimeout(load, 2 * EVERY_MS);
  } finally {
    last = { at: performance.now(), took: performance.now() - began };
    byId("table").removeAttribute("aria-busy");
  }
  countStates();
}

/** Something changed that events alone do not tell: what is in the list, and in which order. */
function stale() {
  if (timer !== null || document.hidden) return;
  if (paused()) return sayPaused();
  const wait = Math.max(30, last.at + Math.max(EVERY_MS, SHARE * last.took) - performance.now());
  timer = setTimeout(() => {
    timer = null;
    if (!paused()) load();
  }, wait);
}

function showAround(problem) {
  byId("problem").hidden = !problem;
  setText(byId("problem").querySelector("span"), problem);
  byId("table").hidden = rows.size === 0;
  const empty = byId("no-rows");
  empty.hidden = rows.size > 0 || Boolean(problem);
  if (!empty.hidden) {
    const [title, text] = empty.children;
    title.textContent = cursor ? "No older tasks" : filters.pairs.length ? "No task fits these filters" : "No tasks yet";
    const all = cursor || filters.pairs.length;
    const link = all ? { href: "/tasks", textContent: "Show all tasks" } : { href: "/#submit", textContent: "Submit the first one" };
    text.replaceChildren(...(all || may("task.submit") ? [el("a", link)] : []));
  }
  const newer = byId("newer");
  newer.hidden = !cursor;
  newer.textContent = history.state?.depth > 0 ? "← Newer" : "← Newest";
  newer.href = `/tasks${filters.query()}`;
  byId("older").hidden = !next;
  if (next) byId("older").href = `/tasks${filters.query(["cursor", next])}`;
}

async function countStates() {
  const others = filters.pairs.some(([name]) => name !== "status");
  if (others) return filtersUi.showCounts(null);
  try {
    filtersUi.showCounts((await get("/api/stats?minutes=1")).counts);
  } catch {
    // The banner says it.
  }
}

/** Go to other filters or another page. */
function go(wanted, page, depth) {
  history.pushState({ depth }, "", `/tasks${wanted.query(...(page ? [["cursor", page]] : []))}`);
  arrive(wanted, page);
}

function arrive(wanted, page) {
  const other = wanted.streamed !== filters.streamed;
  filters = wanted;
  cursor = page;
  pending.clear();
  selection.clear();
  filtersUi.show(filters);
  byId("table").setAttribute("aria-busy", "true");
  if (other) watch();
  load();
}

function watch() {
  stream?.close();
  stream = new AllStream(
    {
      event(message) {
        const known = rows.get(message.task_id);
        if (known) pending.set(message.task_id, message);
        if (known || (!cursor && message.kind === "state")) waiting.add(message.task_id);
        if (known || paused()) render();
        if (message.kind === "state") stale();
      },
      state: (name) => name === "live" && stale(),
    },
    filters.streamed,
  );
}

function selectionBar() {
  const box = byId("selection");
  const { selected, everything } = selection;
  box.hidden = selected.size === 0;
  sayPaused();
  if (box.hidden) {
    matching = null;
    box.replaceChildren();
    stale();
    return;
  }
  const whole = selected.size === rows.size && (next || cursor);
  const words = everything ? `All ${counted(matching, "matching task")} selected` : `${selected.size.toLocaleString("en")} selected`;
  const parts = [el("strong", { textContent: words })];
  if (whole && !everything) {
    const label = matching === null ? "Select all matching" : `Select all ${matching.toLocaleString("en")} matching`;
    const all = el("button", { type: "button", className: "link", textContent: label, disabled: matching === null });
    all.addEventListener("click", selection.selectEverything);
    parts.push(all);
    if (matching === null) countMatching();
  }
  const buttons = Object.keys(ACTIONS).map((name) => actionButton(name));
  const clear = el("button", { type: "button", className: "quiet", textContent: "Clear", title: "Escape" });
  clear.addEventListener("click", selection.clear);
  box.replaceChildren(...parts, el("span", { className: "buttons" }, ...buttons, clear));
}

async function countMatching() {
  matching = await count(filters.body()).catch(() => null);
  if (matching !== null && selection.selected.size) selectionBar();
}

const takes = (action) => [...selection.selected].filter((id) => ACTIONS[action].from.includes(rows.get(id)?.status));

/** Return the states an order for all that match is for: those asked for that can take the action. */
function statesOf(action) {
  const asked = filters.values("status");
  return ACTIONS[action].from.filter((each) => asked.length === 0 || asked.includes(each));
}

function actionButton(action) {
  const { verb, danger } = ACTIONS[action];
  const ids = takes(action);
  const number = selection.everything ? statesOf(action).length : ids.length;
  const label = selection.everything || ids.length === selection.selected.size || !ids.length ? verb : `${verb} ${ids.length}`;
  const made = el("button", { type: "button", textContent: label, className: danger ? "danger-text" : "", disabled: number === 0 });
  made.addEventListener("click", async () => {
    try {
      const done = selection.everything
        ? await runAll(action, filters.body(statesOf(action)), "All that fit the filters, on every page. ")
        : await runEach(action, ids, selection.selected.size - ids.length);
      if (done) selection.clear();
    } catch (problem) {
      toast(problem.message, "bad");
    }
  });
  return made;
}

function startPages() {
  history.replaceState({ depth: history.state?.depth || 0 }, "");
  const plain = (event) => !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  byId("older").addEventListener("click", (event) => {
    if (!plain(event)) return;
    event.preventDefault();
    go(filters, next, (history.state?.depth || 0) + 1);
    scrollTo({ top: 0 });
  });
  byId("newer").addEventListener("click", (event) => {
    if (!plain(event)) return;
    event.preventDefault();
    if (history.state?.depth > 0) history.back();
    else go(filters, null, 0);
  });
  addEventListener("popstate", () => {
    arrive(filtersUi.Filters.read(location.search), new URLSearchParams(location.search).get("cursor"));
  });
}

function startHolding() {
  const hold = (why) => {
    if (why === held) return;
    held = why;
    sayPaused();
    if (!paused()) stale();
  };
  byId("rows").addEventListener("pointerover", (event) => hold(event.target.closest(".check") ? "the pointer is at the boxes" : ""));
  byId("rows").addEventListener("pointerleave", () => hold(""));
  addEventListener("keydown", (event) => {
    const busy = document.querySelector("dialog[open]") || event.target.matches("input:not([type=checkbox]), select");
    if (event.key === "Escape" && selection.selected.size && !busy) selection.clear();
  });
  document.addEventListener("visibilitychange", () => document.hidden || stale());
}

filtersUi.start(filters, (wanted) => go(wanted, null, 0));
selection.start(selectionBar);
startPages();
startHolding();
load();
watch();
resume().catch(() => {});
