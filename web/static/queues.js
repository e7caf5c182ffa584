// The queues: what waits in each by priority, how fast it moves, who serves it; pause, resume, purge.

import { act } from "./act.js";
import { get, post } from "./api.js";
import { bars } from "./bars.js";
import { resume as resumeOperation } from "./bulk.js";
import { counted } from "./dialog.js";
import { byId, el, setText } from "./dom.js";
import { visible } from "./json.js";
import { keyed } from "./keyed.js";
import { may } from "./may.js";
import { poll } from "./poll.js";
import { purge } from "./purge.js";
import { spark } from "./spark.js";
import { duration, timeElement } from "./time.js";
import { toast } from "./toast.js";

const EVERY_MS = 2000;
/** Minutes of the small charts. */
const MINUTES = 30;
const PRIORITIES = ["high", "normal", "low"];

/** name → {element, update(queue)}: buttons stay the same elements, so that no click is lost. */
const cards = new Map();

async function read() {
  const { queues } = await get(`/api/queues?minutes=${MINUTES}`);
  const ready = queues.reduce((sum, each) => sum + each.ready, 0);
  const unserved = queues.filter((each) => each.consumers === 0).length;
  const paused = queues.filter((each) => each.paused).length;
  const more = [unserved && `${unserved} without workers`, paused && `${paused} paused`].filter(Boolean);
  setText(byId("sum"), [counted(queues.length, "queue"), `${counted(ready, "task")} ready`, ...more].join(", "));
  byId("nothing").hidden = queues.length > 0;
  const most = Math.max(1, ...queues.map((each) => each.ready));
  const made = queues.map((each) => {
    if (!cards.has(each.name)) cards.set(each.name, card(each.name));
    cards.get(each.name).update({ ...each, most, oldest_waiting_seconds: each.ready ? rounded(each.oldest_waiting_seconds) : 0 });
    return cards.get(each.name).element;
  });
  const place = byId("queues");
  if (made.length !== place.children.length || made.some((each, at) => place.children[at] !== each)) place.replaceChildren(...made);
}

const rounded = (seconds) => (seconds < 10 ? Math.round(seconds * 10) / 10 : Math.round(seconds));

function card(name) {
  const signs = el("span", { className: "buttons" });
  const body = el("div", { className: "body" });
  let paused = false;
  const toggle = el("button", { type: "button" });
  toggle.addEventListener("click", () => act(toggle, () => (paused ? resume(name) : pause(name)), again));
  const empty = el("button", { type: "button", className: "danger-text", textContent: "Purge…", "aria-label": `Purge ${name}…` });
  empty.addEventListener("click", () => act(empty, () => purge(name), again));
  const steer = [may("queue.pause") && toggle, may("queue.purge") && empty].filter(Boolean);
  const title = el("div", { className: "title" }, el("h2", {}, el("a", { href: tasksOf(name), textContent: visible(name) })), signs);
  const element = el("section", { className: "panel queue", "@data-name": name }, title, body, steer.length ? el("div", { className: "buttons steer" }, ...steer) : null);
  const update = (queue) => {
    paused = queue.paused;
    setText(toggle, paused ? "Resume" : "Pause");
    toggle.setAttribute("aria-label", `${paused ? "Resume" : "Pause"} ${name}`);
    toggle.className = paused ? "primary" : "";
    empty.hidden = queue.ready + queue.delayed === 0;
    keyed(signs, signsOf(queue), ([word]) => word, sign);
    keyed(body, [queue], () => name, content);
  };
  return { element, update };
}

const signsOf = ({ paused, consumers }) => [paused && ["paused", "retrying"], consumers === 0 && ["no workers", "failed"]].filter(Boolean);
const sign = ([word, status]) => el("span", { className: "badge plain", "@data-status": status, textContent: word });

function content(queue) {
  const { name, ready, by_priority, unacked, delayed, dead, consumers, threads, rates, history } = queue;
  const link = (status, number) => el("a", { href: tasksOf(name, status), textContent: number.toLocaleString("en") });
  const parts = PRIORITIES.map((each) => [each, by_priority[each]]);
  const words = parts.map(([each, number]) => `${number.toLocaleString("en")} ${each}`);
  const oldest = ready ? `oldest waits ${duration(queue.oldest_waiting_seconds * 1000)}` : "nothing waits";
  const came = history.reduce((sum, each) => sum + each.in, 0);
  const ended = history.reduce((sum, each) => sum + each.out, 0);
  const inWords = `${came.toLocaleString("en")} came in and ${ended.toLocaleString("en")} ended in ${history.length} min`;
  return el(
    "div",
    { className: "content" },
    queue.paused ? el("p", { className: "note" }, "Paused ", timeElement(queue.paused_since), ": submits are accepted, what runs ends, nothing new starts.") : null,
    el("div", {}, el("p", { className: "big" }, el("strong", { textContent: ready.toLocaleString("en") }), "ready", el("span", { className: "quiet-text", textContent: `· ${oldest}` })), bars(parts, queue.most, `Ready by priority: ${words.join(", ")}`)),
    el("p", { className: "legend" }, ...parts.map(([each], at) => el("span", { "@data-part": each, textContent: words[at] }))),
    el("div", {}, el("p", { className: "rates" }, rate(rates.in, "in"), rate(rates.out, "out"), el("span", { className: "quiet-text", textContent: `${history.length} min` })), spark(history, inWords)),
    el("div", {}, el("p", { className: "quiet-text", textContent: threads ? `${unacked} of ${counted(threads, "thread")} busy, in ${counted(consumers, "worker")}` : "No worker serves this queue; its tasks wait." }), bars([["busy", unacked]], threads, `${unacked} of ${threads} threads busy`, "meter")),
    el("dl", { className: "numbers" }, fact("Running", link(["running"], unacked)), fact("Delayed", link(["scheduled", "retrying"], delayed)), fact("Failed", link(["failed"], dead), dead ? "bad" : "")),
    el("p", { className: "types", textContent: queue.task_types.map(visible).join(", ") }),
  );
}

const rate = (number, word) => el("span", { "@data-rate": word }, el("strong", { textContent: number.toFixed(number < 9.95 ? 1 : 0) }), ` ${word} per s`);
const fact = (name, value, className = "") => el("div", {}, el("dt", { textContent: name }), el("dd", { className }, value));
const tasksOf = (queue, status = []) => `/tasks?${new URLSearchParams([["queue", queue], ...status.map((each) => ["status", each])])}`;
const address = (name, what) => `/api/queues/${encodeURIComponent(name)}/${what}`;

async function pause(name) {
  await post(address(name, "pause"));
  toast(`${visible(name)} is paused: what runs ends, nothing new starts.`, "good");
}

async function resume(name) {
  await post(address(name, "resume"));
  toast(`${visible(name)} goes on.`, "good");
}

const again = poll(read, EVERY_MS);
resumeOperation().catch(() => {});
