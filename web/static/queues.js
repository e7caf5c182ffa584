// The queues: what waits in each by priority, who serves it, how long the oldest has waited.

import { get } from "./api.js";
import { bars } from "./bars.js";
import { counted } from "./dialog.js";
import { byId, el, setText } from "./dom.js";
import { visible } from "./json.js";
import { keyed } from "./keyed.js";
import { poll } from "./poll.js";
import { duration } from "./time.js";

const EVERY_MS = 2000;
const PRIORITIES = ["high", "normal", "low"];

async function read() {
  const { queues } = await get("/api/queues");
  const ready = queues.reduce((sum, each) => sum + each.ready, 0);
  const unserved = queues.filter((each) => each.consumers === 0).length;
  setText(byId("sum"), `${counted(queues.length, "queue")}, ${counted(ready, "task")} ready${unserved ? `, ${unserved} without workers` : ""}`);
  byId("nothing").hidden = queues.length > 0;
  const most = Math.max(1, ...queues.map((each) => each.ready));
  const items = queues.map((each) => ({ ...each, most, oldest_waiting_seconds: each.ready ? rounded(each.oldest_waiting_seconds) : 0 }));
  keyed(byId("queues"), items, (queue) => queue.name, card);
}

const rounded = (seconds) => (seconds < 10 ? Math.round(seconds * 10) / 10 : Math.round(seconds));

function card(queue) {
  const { name, ready, by_priority, unacked, delayed, dead, consumers, threads } = queue;
  const link = (status, number) => el("a", { href: tasksOf(name, status), textContent: number.toLocaleString("en") });
  const signs = [queue.paused && el("span", { className: "badge plain", "@data-status": "retrying", textContent: "paused" }), consumers === 0 && el("span", { className: "badge plain", "@data-status": "failed", textContent: "no workers" })];
  const parts = PRIORITIES.map((each) => [each, by_priority[each]]);
  const words = parts.map(([each, number]) => `${number.toLocaleString("en")} ${each}`);
  const oldest = ready ? `oldest waits ${duration(queue.oldest_waiting_seconds * 1000)}` : "nothing waits";
  return el(
    "section",
    { className: "panel queue", "@data-name": name },
    el("div", { className: "title" }, el("h2", {}, el("a", { href: tasksOf(name), textContent: visible(name) })), el("span", { className: "buttons" }, ...signs.filter(Boolean))),
    el(
      "div",
      { className: "body" },
      el("div", {}, el("p", { className: "big" }, el("strong", { textContent: ready.toLocaleString("en") }), "ready", el("span", { className: "quiet-text", textContent: `· ${oldest}` })), bars(parts, queue.most, `Ready by priority: ${words.join(", ")}`)),
      el("p", { className: "legend" }, ...parts.map(([each], at) => el("span", { "@data-part": each, textContent: words[at] }))),
      el("div", {}, el("p", { className: "quiet-text", textContent: threads ? `${unacked} of ${counted(threads, "thread")} busy, in ${counted(consumers, "worker")}` : "No worker serves this queue; its tasks wait." }), bars([["busy", unacked]], threads, `${unacked} of ${threads} threads busy`, "meter")),
      el("dl", { className: "numbers" }, fact("Running", link(["running"], unacked)), fact("Delayed", link(["scheduled", "retrying"], delayed)), fact("Failed", link(["failed"], dead), dead ? "bad" : "")),
      el("p", { className: "types", textContent: queue.task_types.map(visible).join(", ") }),
    ),
  );
}

const fact = (name, value, className = "") => el("div", {}, el("dt", { textContent: name }), el("dd", { className }, value));
const tasksOf = (queue, status = []) => `/tasks?${new URLSearchParams([["queue", queue], ...status.map((each) => ["status", each])])}`;

poll(read, EVERY_MS);
