// Times: relative ones that stay true, with the exact one on hover. The server's clock counts, because
// that of this computer may be wrong.

import { el, setText } from "./dom.js";

let skew = 0;

/** Take the server's clock from an answer's Date header, which knows whole seconds only. */
export function setClock(header) {
  const server = Date.parse(header || "");
  if (Number.isNaN(server)) return;
  const off = server + 500 - Date.now();
  skew = Math.abs(off) < 2000 ? 0 : off;
}

export const now = () => Date.now() + skew;

/** Return a duration in milliseconds as two units at most: 0.25 s, 12 s, 3 min 20 s, 2 h 5 min, 4 d. */
export function duration(ms) {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 0.0095) return `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 0.95) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return two(whole, 60, "min", 1, "s");
  if (whole < 86400) return two(whole, 3600, "h", 60, "min");
  return two(whole, 86400, "d", 3600, "h");
}

function two(whole, big, bigName, small, smallName) {
  const rest = Math.floor((whole % big) / small);
  return `${Math.floor(whole / big)} ${bigName}${rest ? ` ${rest} ${smallName}` : ""}`;
}

/** Return milliseconds as one whole unit: 5 s, 3 min, 2 h, 4 d. */
export function age(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

/** Return how long ago a time was, or how far ahead it is. */
export function relative(at) {
  const ms = now() - at;
  if (ms < -999) return `in ${age(-ms)}`;
  return ms < 1000 ? "now" : `${age(ms)} ago`;
}

/** Return a time as people write it here, to the millisecond. */
export function exact(at) {
  const date = new Date(at);
  const day = date.toLocaleDateString(undefined, { dateStyle: "medium" });
  const clock = date.toLocaleTimeString(undefined, { hourCycle: "h23" });
  return `${day}, ${clock}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

/** Return the milliseconds since the epoch in which a task id (UUIDv7) was made. */
export const createdAt = (id) => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);

/** Make a <time> of an RFC 3339 text (or null) that stays relative; `kind` is ago, age or exact. */
export function timeElement(at, kind = "ago") {
  if (!at) return el("span", { className: "none", textContent: "–" });
  const made = el("time", { "@datetime": at, "@data-time": kind });
  refresh(made);
  return made;
}

function refresh(element) {
  const at = Date.parse(element.dateTime);
  if (!element.dataset.said) {
    element.title = `${exact(at)} (${element.dateTime})`;
    element.dataset.said = "1";
  }
  const kind = element.dataset.time;
  setText(element, kind === "exact" ? exact(at) : kind === "age" ? age(now() - at) : relative(at));
}

/** Keep every <time data-time> of the page true. */
export function startTimes() {
  const all = () => document.hidden || document.querySelectorAll("time[data-time]").forEach(refresh);
  all();
  setInterval(all, 1000);
  document.addEventListener("visibilitychange", all);
}
