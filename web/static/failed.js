// What fails, by task type and error: retry a group, look at its newest, go to its tasks.

import { act } from "./act.js";
import { get } from "./api.js";
import { bars } from "./bars.js";
import { resume, runAll, runEach } from "./bulk.js";
import { counted } from "./dialog.js";
import { byId, el, setText } from "./dom.js";
import { visible } from "./json.js";
import { keyed } from "./keyed.js";
import { may } from "./may.js";
import { poll } from "./poll.js";
import { timeElement } from "./time.js";

const EVERY_MS = 4000;
/** Tasks of one page of the list, and pages that are looked at to find the tasks of one error. */
const PAGE = 200;
const PAGES = 50;

const tasksOf = (type) => `/tasks?${new URLSearchParams([["status", "failed"], ["type", type]])}`;

async function read() {
  const { failed, complete, groups } = await get("/api/dead-letters");
  const types = new Map();
  for (const group of groups) types.set(group.task_type, [...(types.get(group.task_type) || []), group]);
  const entries = [...types].map(([type, errors]) => ({ type, errors, complete, most: groups[0].count }));
  setText(byId("sum"), counted(failed, "failed task") + (complete ? "" : "; the groups count the newest of each type"));
  byId("nothing").hidden = groups.length > 0;
  keyed(byId("groups"), entries, (entry) => entry.type, section);
}

const again = poll(read, EVERY_MS);

function section({ type, errors, complete, most }) {
  const number = errors.reduce((sum, each) => sum + each.count, 0);
  const all = el("button", { type: "button", textContent: complete ? `Retry all ${number.toLocaleString("en")}` : "Retry all" });
  all.addEventListener("click", () => act(all, () => runAll("retry", { status: ["failed"], type: [type] }, `All failed tasks of ${visible(type)}. `), again));
  const title = el("div", { className: "title" }, el("h2", {}, el("a", { href: tasksOf(type), textContent: visible(type) })), el("span", { className: "buttons" }, el("span", { className: "quiet-text", textContent: `${number.toLocaleString("en")} failed` }), may("task.bulk") ? all : null));
  return el("section", { className: "panel group", "@data-type": type }, title, el("ul", { className: "errors" }, ...errors.map((each) => row(each, errors.length, most))));
}

function row({ task_type, error_type, count, newest }, siblings, most) {
  const name = error_type || "no error";
  const what = el(
    "div",
    { className: "what" },
    el("span", { className: "error-type", textContent: visible(name) }),
    el("p", { className: "message isolate", textContent: visible((newest.message || "").slice(0, 300)) }),
    bars([["failed", count]], most, counted(count, "task"), "share"),
  );
  const last = el("div", { className: "last" }, timeElement(newest.failed_at), el("a", { href: `/tasks/${newest.task_id}`, textContent: "Newest", title: newest.task_id }));
  const made = el("li", {}, el("strong", { className: "number", textContent: count.toLocaleString("en") }), what, last);
  if (siblings > 1 && may("task.retry")) {
    const retry = el("button", { type: "button", textContent: `Retry ${count.toLocaleString("en")}`, "aria-label": `Retry ${counted(count, "task")} of ${task_type} that failed with ${name}` });
    retry.addEventListener("click", () => act(retry, async () => runEach("retry", await idsOf(task_type, error_type)), again));
    made.append(retry);
  }
  return made;
}

/** Find the failed tasks of a type with this error; no filter of the API names errors. */
async function idsOf(type, error) {
  const ids = [];
  let cursor = null;
  for (let page = 0; page < PAGES; page += 1) {
    const query = new URLSearchParams([["status", "failed"], ["type", type], ["limit", String(PAGE)], ...(cursor ? [["cursor", cursor]] : [])]);
    const { tasks, next } = await get(`/api/tasks?${query}`);
    ids.push(...tasks.filter((each) => (each.error?.type || null) === error).map((each) => each.task_id));
    cursor = next;
    if (!cursor) break;
  }
  return ids;
}

resume().catch(() => {});
