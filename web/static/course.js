// What a task went through, computed from its record: stretches of waiting and running with their times.

import { el, setText } from "./dom.js";
import { duration, exact, now, timeElement } from "./time.js";

const SVG = "http://www.w3.org/2000/svg";
const ENDED = ["succeeded", "failed", "cancelled"];

const ms = (text) => (text ? Date.parse(text) : null);

/**
 * Return the stretches of a task, oldest first: {state, from, to, attempt?, outcome?}; `to` is null for the
 * one that lasts. States are scheduled, queued, running, retrying, and ended: until somebody retried it.
 */
export function stretches(task) {
  const found = [];
  const attempts = task.history.map((each) => ({ number: each.attempt, from: ms(each.started_at), to: ms(each.finished_at), outcome: each.status }));
  const last = attempts.at(-1)?.number || 0;
  if (task.status === "running" && task.attempts > last) {
    attempts.push({ number: task.attempts, from: ms(task.started_at), to: null, outcome: "running" });
  }
  let at = ms(task.created_at);
  let before = "";
  const eta = ms(task.eta);
  const wait = (to, retry) => {
    // One that lies behind the first attempt is the time of a retry.
    const due = !retry && eta && eta > at && eta <= (to ?? eta) ? eta : null;
    if (due && due > at) found.push({ state: "scheduled", from: at, to: to === null && task.status === "scheduled" ? null : due });
    if (found.at(-1)?.to === null) return;
    const from = due || at;
    if (to === null || to > from) found.push({ state: retry ? "retrying" : "queued", from, to });
  };
  for (const { number, from, to, outcome } of attempts) {
    if (from === null) continue;
    if (ENDED.includes(before)) found.push({ state: "ended", from: at, to: from });
    else wait(from, number > 1);
    found.push({ state: "running", from, to, attempt: number, outcome });
    at = to ?? at;
    before = outcome;
  }
  if (ENDED.includes(task.status)) {
    const end = ms(task.finished_at);
    if (end && end > at && attempts.length === 0) wait(end, false);
  } else if (task.status !== "running") {
    if (ENDED.includes(before)) found.push({ state: "queued", from: at, to: null });
    else if (task.status === "retrying") found.push({ state: "retrying", from: at, to: null });
    else wait(null, false);
  }
  return found;
}

/** Show the states in their order, each with when it began and how long it took in all. */
export function drawPath(place, task, parts) {
  const spent = {};
  const first = {};
  for (const { state, from, to } of parts) {
    spent[state] = (spent[state] || 0) + Math.max(0, (to ?? now()) - from);
    first[state] ??= from;
  }
  const ended = ENDED.includes(task.status);
  const names = ["scheduled", "queued", "running", "retrying"].filter((each) => each === "queued" || each === "running" || each in spent || each === task.status);
  names.push(ended ? task.status : "succeeded");
  if (place.dataset.names !== names.join()) {
    place.dataset.names = names.join();
    place.replaceChildren(...names.map((name) => el("li", { "@data-status": name }, el("span", { className: "dot", "aria-hidden": "true" }), el("span", { className: "name", textContent: name }), el("span", { className: "when" }))));
  }
  for (const item of place.children) {
    const name = item.dataset.status;
    const end = ended && name === task.status;
    item.toggleAttribute("data-reached", name in spent || end || name === task.status);
    if (name === task.status) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
    const when = item.querySelector(".when");
    setText(when, end ? clock(ms(task.finished_at)) : name in spent ? duration(spent[name]) : "");
    when.title = end ? exact(ms(task.finished_at)) : first[name] ? `since ${exact(first[name])}` : "";
  }
}

const clock = (at) => (at ? new Date(at).toLocaleTimeString(undefined, { hourCycle: "h23" }) : "");

/** Show the stretches to scale, as a bar of parts; each says on hover what it was and how long it took. */
export function drawBar(place, parts) {
  const begin = parts[0]?.from;
  const end = Math.max(...parts.map((each) => each.to ?? now()));
  place.hidden = parts.length === 0 || !(end > begin);
  if (place.hidden) return;
  const svg = document.createElementNS(SVG, "svg");
  const words = [];
  for (const { state, from, to, attempt, outcome } of parts) {
    const x = ((from - begin) / (end - begin)) * 100;
    const width = Math.max(0.4, (((to ?? now()) - from) / (end - begin)) * 100);
    const rect = document.createElementNS(SVG, "rect");
    const said = `${attempt ? `attempt ${attempt} ${outcome === "running" ? "running" : outcome}` : state}: ${duration((to ?? now()) - from)}`;
    words.push(said);
    const values = { x: `${Math.min(x, 99.6)}%`, width: `${Math.min(width, 100 - Math.min(x, 99.6))}%`, y: state === "running" ? "0" : "6", height: state === "running" ? "16" : "4", rx: "2", "data-state": state, "data-outcome": outcome || "" };
    for (const [name, value] of Object.entries(values)) rect.setAttribute(name, value);
    const title = document.createElementNS(SVG, "title");
    title.textContent = `${said}, from ${exact(from)}`;
    rect.append(title);
    svg.append(rect);
  }
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", words.slice(0, 20).join("; "));
  place.replaceChildren(svg);
}

/** Return what is said beside the title: how long it took, or when it goes on. */
export function summary(task, parts) {
  const eta = ms(task.eta);
  if (task.status === "scheduled" && eta) return ["starts ", timeElement(task.eta)];
  if (task.status === "retrying" && eta && eta > now()) return ["next attempt ", timeElement(task.eta)];
  if (!ENDED.includes(task.status) || !task.finished_at) return [];
  const ran = parts.filter((each) => each.state === "running").reduce((sum, { from, to }) => sum + (to - from), 0);
  const whole = ms(task.finished_at) - ms(task.created_at);
  return [`${duration(whole)} in all${ran > 0 ? `, ${duration(ran)} of it running` : ""}`];
}
