// Parts of a task's page that are made of its record: details, attempts, outcome.

import { badge, isTerminal } from "./badges.js";
import { copyButton } from "./copy.js";
import { el } from "./dom.js";
import { elements, members, visible } from "./json.js";
import { jsonView } from "./json-view.js";
import { longText } from "./long-text.js";
import { duration, timeElement } from "./time.js";

const fact = (name, ...value) => el("div", {}, el("dt", { textContent: name }), el("dd", {}, ...value));
const listLink = (name, value, className = "") => el("a", { className, href: `/tasks?${new URLSearchParams([[name, value]])}`, textContent: visible(value) });

/** Return the entries of the list of details. */
export function facts(task) {
  const tags = task.tags.flatMap((tag) => [listLink("tag", tag, "tag"), " "]);
  return [
    fact("Queue", listLink("queue", task.queue)),
    fact("Attempts", `${task.attempts} of ${Math.max(task.attempts, task.max_retries + 1)}`),
    fact("Created", timeElement(task.created_at)),
    task.eta && !isTerminal(task.status) && fact("Due", timeElement(task.eta)),
    task.started_at && fact("Started", timeElement(task.started_at)),
    task.finished_at && fact("Finished", timeElement(task.finished_at)),
    fact("Time limit", duration(task.time_limit * 1000)),
    task.worker && fact("Worker", el("a", { href: "/workers", textContent: visible(task.worker) })),
    tags.length && fact("Tags", ...tags),
  ].filter(Boolean);
}

/** Return what the outcome panel shows: its title and elements, or null. */
export function outcome(task, text) {
  if (task.status === "succeeded") return { title: "Result", parts: [jsonView(members(text).get("result"), "Result")] };
  if (task.error === null || !["failed", "retrying", "cancelled"].includes(task.status)) return null;
  return { title: task.status === "retrying" ? "Last error" : "Error", parts: [errorBox(task.error)] };
}

function errorBox(error) {
  return el("div", { className: "alert" }, el("strong", { textContent: visible(error.type || "Error") }), el("p", {}, longText(error.message || "", 2000)));
}

/** Return the attempts, newest first, each with its error and traceback; `open` holds the numbers that are open. */
export function attempts(task, text, open) {
  const raws = elements(members(text).get("history") || "[]");
  return task.history.map((each, at) => attempt(each, raws[at], open)).reverse();
}

function attempt({ attempt: number, status, started_at, finished_at, error, worker }, raw, open) {
  const took = started_at && finished_at ? duration(Date.parse(finished_at) - Date.parse(started_at)) : "";
  const words = error ? `${error.type}: ${error.message || ""}` : "";
  const head = [
    el("strong", { textContent: `Attempt ${number}` }),
    badge(status),
    el("span", { className: "error-line isolate", textContent: visible(words.slice(0, 300)) }),
    el("span", { className: "quiet-text took", textContent: took }),
  ];
  const body = el("div", { className: "body stack" });
  body.append(el("dl", { className: "facts" }, fact("Started", timeElement(started_at)), fact("Finished", timeElement(finished_at)), worker ? fact("Worker", visible(worker)) : ""));
  if (error) {
    body.append(errorBox(error));
    if (error.traceback) {
      const trace = el("div", { className: "trace" }, copyButton(error.traceback, "the traceback"), el("pre", { tabIndex: 0, "aria-label": "Traceback" }, longText(error.traceback, 20000)));
      body.append(el("details", { className: "inner", open: true }, el("summary", { textContent: "Traceback" }), trace));
    } else if (raw) body.append(jsonView(members(raw).get("error"), "Error"));
  }
  const made = el("details", { className: "attempt-entry", open: open.has(number) }, el("summary", {}, ...head), body);
  made.addEventListener("toggle", () => (made.open ? open.add(number) : open.delete(number)));
  return made;
}
