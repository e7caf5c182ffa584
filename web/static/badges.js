// Signs of state, priority and progress; templates/parts.html makes the same on the server.

import { el, setText } from "./dom.js";

export const STATES = ["scheduled", "queued", "running", "retrying", "succeeded", "failed", "cancelled"];
const TERMINAL = ["succeeded", "failed", "cancelled"];

export const isTerminal = (status) => TERMINAL.includes(status);

/** Make a state's badge; change it with setBadge. */
export const badge = (status) => el("span", { className: "badge", "@data-status": status, textContent: status });

export function setBadge(element, status) {
  if (element.dataset.status === status) return;
  element.dataset.status = status;
  element.textContent = status;
}

export const priority = (level) => el("span", { className: "priority", "@data-priority": level, textContent: level });

/** Make a progress bar with its percentage; change it with setProgress. */
export function progress(value, label = "Progress") {
  const made = el("span", { className: "progress" }, el("progress", { max: 1, "aria-label": label }), el("span", { className: "percent" }));
  setProgress(made, value);
  return made;
}

export function setProgress(element, value) {
  const [bar, percent] = element.children;
  bar.value = value;
  setText(percent, `${Math.round(value * 100)} %`);
}
