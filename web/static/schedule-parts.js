// What the list and the page of one schedule share: how it stands, and what can be done with it.

import { post, remove } from "./api.js";
import { badge } from "./badges.js";
import { confirmDialog } from "./dialog.js";
import { el } from "./dom.js";
import { visible } from "./json.js";
import { may } from "./may.js";
import { timeElement } from "./time.js";
import { toast } from "./toast.js";

const at = (schedule, what = "") => `/api/schedules/${schedule.schedule_id}${what}`;

export const fact = (name, ...values) => el("div", {}, el("dt", { textContent: name }), el("dd", {}, ...values));

export function nextRun(schedule) {
  if (!schedule.enabled) return el("span", { className: "none", textContent: "paused" });
  return timeElement(schedule.next_runs[0]);
}

export function lastRun({ last_run: run }) {
  if (!run) return [el("span", { className: "none", textContent: "never" })];
  const when = timeElement(run.at);
  return run.status ? [el("a", { href: `/tasks/${run.task_id}` }, when), badge(run.status)] : [when, el("span", { className: "none", textContent: "forgotten" })];
}

export function signs(schedule) {
  const sign = (status, textContent) => el("span", { className: "badge plain", "@data-status": status, textContent });
  return [!schedule.enabled && sign("retrying", "paused"), schedule.problem && sign("failed", "problem")].filter(Boolean);
}

export function trouble({ problem }) {
  return problem && el("p", { className: "trouble" }, visible(problem.detail), " · ", timeElement(problem.at));
}

/** Make the buttons of a schedule; `done` is called after each, with true when it is deleted. */
export function buttons(schedule, done) {
  const name = visible(schedule.name);
  const button = (textContent, label, work, className = "") => {
    const made = el("button", { type: "button", className, textContent, "aria-label": `${label} ${name}` });
    made.addEventListener("click", async () => {
      made.disabled = true;
      try {
        await work();
      } catch (problem) {
        toast(`${name}: ${problem.message}`, "bad");
        made.disabled = false;
      }
    });
    return made;
  };
  const run = button("Run now", "Run now:", async () => {
    const { task_id: id } = JSON.parse((await post(at(schedule, "/run"))).text);
    toast(`${name} has submitted its task.`, "good", { href: `/tasks/${id}`, text: "See it" });
    run.disabled = false;
    done(false);
  });
  const rest = button(schedule.enabled ? "Pause" : "Resume", schedule.enabled ? "Pause" : "Resume", async () => {
    await post(at(schedule, schedule.enabled ? "/pause" : "/resume"));
    done(false);
  });
  const forget = button(
    "Delete",
    "Delete",
    async () => {
      const sure = await confirmDialog({ title: `Delete the schedule ${name}?`, text: "It submits no more tasks. Those it has submitted stay.", action: "Delete", danger: true });
      if (sure) await remove(at(schedule));
      forget.disabled = false;
      if (sure) done(true);
    },
    "danger-text",
  );
  const names = ["schedule.run", schedule.enabled ? "schedule.pause" : "schedule.resume", "schedule.delete"];
  return [run, rest, forget].filter((_, at) => may(names[at]));
}
