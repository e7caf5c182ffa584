// The workers: what each runs now, how much it uses, when its heart last beat.

import { get } from "./api.js";
import { progress } from "./badges.js";
import { bars } from "./bars.js";
import { counted } from "./dialog.js";
import { byId, el, setText } from "./dom.js";
import { visible } from "./json.js";
import { keyed } from "./keyed.js";
import { poll } from "./poll.js";
import { now, timeElement } from "./time.js";

const EVERY_MS = 2000;
/** Running tasks whose details are read at most; the others are shown by their id. */
const DETAILS = 100;
const LATE_MS = 10000;

async function read() {
  const { workers } = await get("/api/workers");
  const running = workers.flatMap((each) => each.running);
  const known = running.length ? await details() : new Map();
  const threads = workers.reduce((sum, each) => sum + each.threads, 0);
  const done = workers.reduce((sum, each) => sum + each.done, 0);
  setText(byId("sum"), `${workers.length} alive, ${running.length} of ${counted(threads, "thread")} busy, ${done.toLocaleString("en")} done`);
  byId("nothing").hidden = workers.length > 0;
  workers.sort((a, b) => a.id.localeCompare(b.id));
  const items = workers.map((each) => ({ ...each, tasks: each.running.map((id) => known.get(id) || { task_id: id }), late: now() - Date.parse(each.last_heartbeat) > LATE_MS }));
  keyed(byId("workers"), items, (worker) => worker.id, card);
}

async function details() {
  const { tasks } = await get(`/api/tasks?status=running&limit=${DETAILS}`);
  return new Map(tasks.map((each) => [each.task_id, { task_id: each.task_id, task_type: each.task_type, progress: each.progress, started_at: each.started_at }]));
}

function card(worker) {
  const { id, host, pid, queues, threads, cpu_percent, memory_bytes, done, failed } = worker;
  const busy = worker.tasks.length;
  const beat = timeElement(worker.last_heartbeat);
  if (worker.late) beat.className = "late";
  return el(
    "section",
    { className: "panel worker", "@data-id": id },
    el("div", { className: "title" }, el("div", {}, el("h2", { textContent: visible(id) }), el("p", { className: "host" }, `${visible(host)}, process ${pid}, up since `, timeElement(worker.started_at, "exact"))), el("span", { className: "chips" }, ...queues.map((each) => el("a", { className: "chip", href: `/tasks?${new URLSearchParams([["queue", each]])}`, textContent: visible(each) })))),
    el(
      "div",
      { className: "body" },
      el(
        "dl",
        { className: "numbers" },
        fact("Busy threads", `${busy} of ${threads}`, bars([["busy", busy]], threads, `${busy} of ${threads} threads busy`, "meter")),
        fact("CPU", `${cpu_percent.toFixed(cpu_percent < 10 ? 1 : 0)} %`, bars([["busy", cpu_percent]], 100, `CPU ${cpu_percent} percent`, "meter")),
        fact("Memory", size(memory_bytes)),
        fact("Done", done.toLocaleString("en")),
        fact("Failed", failed.toLocaleString("en")),
        fact("Last heartbeat", beat),
      ),
      busy ? el("ul", { className: "now", "aria-label": "Runs now" }, ...worker.tasks.map(task)) : el("p", { className: "quiet-text", textContent: "Runs nothing now." }),
    ),
  );
}

function task({ task_id, task_type, progress: fraction, started_at }) {
  const link = el("a", { href: `/tasks/${task_id}`, title: task_id, textContent: task_type ? visible(task_type) : task_id.slice(-12) });
  if (!task_type) return el("li", {}, link);
  return el("li", {}, link, progress(fraction, `Progress of ${task_type}`), el("span", { className: "quiet-text" }, "for ", timeElement(started_at, "age")));
}

const fact = (name, value, ...more) => el("div", {}, el("dt", { textContent: name }), el("dd", {}, value, ...more));

function size(bytes) {
  const mib = bytes / 2 ** 20;
  return mib < 1024 ? `${mib.toFixed(mib < 10 ? 1 : 0)} MiB` : `${(mib / 1024).toFixed(1)} GiB`;
}

poll(read, EVERY_MS);
