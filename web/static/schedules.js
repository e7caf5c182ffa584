// The list of schedules: what each says, when it runs next, how it went last, and what can be done with it.

import { get } from "./api.js";
import { counted } from "./dialog.js";
import { byId, el, setText } from "./dom.js";
import { visible } from "./json.js";
import { keyed } from "./keyed.js";
import { poll } from "./poll.js";
import { buttons, fact, lastRun, nextRun, signs, trouble } from "./schedule-parts.js";

const EVERY_MS = 2000;

async function read() {
  const { schedules } = await get("/api/schedules");
  const paused = schedules.filter((each) => !each.enabled).length;
  const problems = schedules.filter((each) => each.problem).length;
  const words = [counted(schedules.length, "schedule"), paused && `${paused} paused`, problems && `${problems} with a problem`];
  setText(byId("sum"), schedules.length ? words.filter(Boolean).join(", ") : "");
  byId("nothing").hidden = schedules.length > 0;
  byId("schedules").hidden = schedules.length === 0;
  keyed(byId("schedules"), schedules, (each) => each.schedule_id, row);
}

const again = poll(read, EVERY_MS);

function row(schedule) {
  const link = el("a", { href: `/schedules/${schedule.schedule_id}`, textContent: visible(schedule.name) });
  const line = el("div", { className: "line" }, el("h2", {}, link), ...signs(schedule));
  const what = el("div", { className: "what" }, line, el("p", { className: "words", textContent: visible(schedule.words) }), trouble(schedule));
  const facts = el("dl", {}, fact("Next run", nextRun(schedule)), fact("Last run", ...lastRun(schedule)));
  return el("li", { className: "plan", "@data-id": schedule.schedule_id }, what, facts, el("div", { className: "buttons" }, ...buttons(schedule, again)));
}
