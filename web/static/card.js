// One task, in full.

import { el, setText } from "./dom.js";
import { members, pretty, visible } from "./json.js";
import { ended } from "./watch.js";

/** Characters of JSON shown; the rest is behind the link. */
const SHOWN = 100_000;

/** Return {element, show(text, task)}; `act(name)` is called for the buttons cancel and retry. */
export function makeCard(act) {
  const status = el("span", { className: "badge", id: "status" });
  const name = el("strong", { className: "name" });
  const id = el("code", { className: "id" });
  const bar = el("progress", { max: 1, "aria-label": "Progress" });
  const percent = el("span", { id: "percent" });
  const stage = el("span", { id: "stage" });
  const facts = el("dl");
  const cancel = button("Cancel", () => act("cancel"));
  const retry = button("Retry", () => act("retry"));
  const logs = el("a", { textContent: "Logs" });
  const json = el("a", { textContent: "JSON" });
  const said = el("span", { id: "task-said", role: "status" });
  const error = errorBox();
  const result = block("Result", "result", "div");
  const sent = block("Parameters", "sent", "details");
  const history = el("details", {}, el("summary", { textContent: "Earlier attempts" }));
  const earlier = el("div");
  history.append(earlier);
  const element = el(
    "div",
    {},
    el("p", { className: "head" }, status, name, id),
    el("p", { className: "progress" }, bar, percent, stage),
    el("div", { className: "buttons" }, cancel, retry, logs, json, said),
    result.element,
    error.element,
    facts,
    history,
    sent.element,
  );
  status.setAttribute("aria-live", "polite");

  function show(text, task) {
    const raw = members(text);
    setText(status, task.status);
    status.dataset.status = task.status;
    setText(name, task.task_type);
    setText(id, task.task_id);
    bar.value = task.progress;
    setText(percent, `${Math.round(task.progress * 100)} %`);
    setText(stage, visible(task.stage || ""));
    cancel.hidden = ended(task);
    retry.hidden = !["failed", "cancelled"].includes(task.status);
    logs.href = task.links.logs;
    json.href = task.links.self;
    facts.replaceChildren(...factsOf(task));
    result.show(task.status === "succeeded" ? raw.get("result") : null);
    sent.show(raw.get("parameters"));
    error.show(task.error);
    const before = task.history.filter((each) => each.error && each.attempt !== (ended(task) ? task.attempts : 0));
    history.hidden = before.length === 0;
    earlier.replaceChildren(...before.map(attempt));
  }

  return { element, show, say: (words) => setText(said, words) };
}

function button(text, act) {
  const made = el("button", { type: "button", textContent: text });
  made.addEventListener("click", act);
  return made;
}

function factsOf(task) {
  const facts = [
    ["Attempts", `${task.attempts} of ${task.max_retries + 1}`],
    ["Priority", task.priority],
    ["Queue", task.queue],
    ["Created", when(task.created_at)],
    ["Due", when(task.eta)],
    ["Started", when(task.started_at)],
    ["Finished", when(task.finished_at)],
    ["Worker", task.worker],
    ["Tags", task.tags.map(visible).join(", ")],
  ];
  return facts
    .filter(([, value]) => value)
    .map(([term, value]) => el("div", {}, el("dt", { textContent: term }), el("dd", {}, value)));
}

function when(time) {
  if (!time) return null;
  const date = new Date(time);
  const today = date.toDateString() === new Date().toDateString();
  return el("time", { dateTime: time, title: time, textContent: today ? date.toLocaleTimeString() : date.toLocaleString() });
}

/** A titled <pre>; `show(null)` hides it. */
function block(title, id, kind) {
  const pre = el("pre", { id, tabIndex: 0, "aria-label": title });
  const head = el(kind === "details" ? "summary" : "h3", { textContent: title });
  const element = el(kind, {}, head, pre);
  const show = (raw) => {
    element.hidden = raw === null || raw === undefined;
    if (element.hidden) return;
    const text = pretty(raw);
    const more = text.length - SHOWN;
    setText(pre, more > 0 ? `${text.slice(0, SHOWN)}\n… and ${more.toLocaleString("en")} more characters: see JSON` : text);
  };
  return { element, show };
}

function errorBox() {
  const words = el("p", { id: "error" });
  const trace = el("pre", { id: "traceback", tabIndex: 0, "aria-label": "Traceback" });
  const more = el("details", {}, el("summary", { textContent: "Traceback" }), trace);
  const element = el("div", { className: "alert" }, words, more);
  const show = (error) => {
    element.hidden = !error;
    if (!error) return;
    setText(words, describe(error));
    setText(trace, visible(error.traceback || ""));
    more.hidden = !error.traceback;
  };
  return { element, show };
}

const describe = (error) => visible(`${error.type}: ${error.message}`);

function attempt(each) {
  const text = `${each.attempt}. ${each.status}: ${describe(each.error)}`;
  return el("p", { className: "attempt", textContent: text });
}
