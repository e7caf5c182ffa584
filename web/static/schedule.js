// One schedule: a form with what its cron says and when it runs next, while it is typed.

import { get, post, put, request } from "./api.js";
import { byId, el } from "./dom.js";
import { members, visible } from "./json.js";
import { keyed } from "./keyed.js";
import { poll } from "./poll.js";
import { buttons, fact, lastRun, nextRun, signs, trouble } from "./schedule-parts.js";
import { alertWith, focusWrong, TaskForm } from "./task-form.js";
import { timeElement } from "./time.js";

const PAUSE_MS = 250;
const AGAIN_MS = 2000;
const EVERY_MS = 2000;
const REFRESH_MS = 20000;
const form = byId("form");
const id = form.dataset.schedule;
const task = new TaskForm(["priority", "max_retries", "time_limit", "tags"], "/task");
/** Pointers of the fields that are no task's. */
const OWN = { "/name": "name", "/cron": "cron", "/time_zone": "zone" };
let etag = "";
let enabled = true;
let asked = 0;

function complain(input, text) {
  const place = byId(`${input}-error`);
  place.textContent = text;
  place.hidden = !text;
  if (text) byId(input).setAttribute("aria-invalid", "true");
  else byId(input).removeAttribute("aria-invalid");
}

/** Show errors at the fields of `OWN`; returns the others. */
function tell(errors) {
  return errors.filter(({ pointer, detail }) => {
    if (OWN[pointer]) complain(OWN[pointer], detail);
    return !OWN[pointer];
  });
}

function local(at, zone) {
  try {
    return new Intl.DateTimeFormat("en-GB", { timeZone: zone, weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" }).format(new Date(at));
  } catch {
    return at; // a zone this browser does not know
  }
}

async function preview() {
  const [cron, zone] = [byId("cron").value, byId("zone").value];
  const number = (asked += 1);
  const place = byId("preview");
  const hint = (textContent) => place.replaceChildren(el("p", { className: "quiet-text", textContent }));
  if (cron.trim() === "") {
    hint("What the cron says, and its next five runs, are shown here.");
    return;
  }
  try {
    const found = await get(`/api/schedules/preview?${new URLSearchParams([["cron", cron], ["time_zone", zone]])}`);
    if (number !== asked) return;
    for (const each of ["cron", "zone"]) complain(each, "");
    const runs = found.next_runs.map((at) => el("li", {}, el("span", { textContent: local(at, zone) }), timeElement(at)));
    place.replaceChildren(el("p", { className: "said", textContent: visible(found.words) }), el("ol", { "aria-label": "Next runs" }, ...runs));
  } catch (problem) {
    if (number !== asked) return;
    for (const each of ["cron", "zone"]) complain(each, "");
    tell(problem.errors);
    hint(problem.errors.length ? "As it stands it never runs." : problem.message);
  }
}

function startPreview() {
  let timer = null;
  for (const input of [byId("cron"), byId("zone")]) {
    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(preview, PAUSE_MS);
    });
  }
  for (const chip of form.querySelectorAll("[data-cron]")) {
    chip.addEventListener("click", () => {
      byId("cron").value = chip.dataset.cron;
      preview();
    });
  }
  preview();
  setInterval(() => document.hidden || preview(), REFRESH_MS); // its first run comes nearer and is over
}

async function save() {
  const button = byId("save");
  for (const each of Object.values(OWN)) complain(each, "");
  task.clear();
  byId("alert").hidden = true;
  const body = task.json();
  if (focusWrong(form)) return;
  const own = { name: byId("name").value, cron: byId("cron").value, time_zone: byId("zone").value, missed: byId("missed").value, enabled };
  const text = `${JSON.stringify(own).slice(0, -1)},"task":${body}}`;
  button.disabled = true;
  try {
    await (id ? put(`/api/schedules/${id}`, text, etag) : post("/api/schedules", text));
    location.assign("/schedules");
  } catch (problem) {
    button.disabled = false;
    const rest = task.show(tell(problem.errors));
    const changed = problem.status === 412 ? "Somebody else has changed this schedule since you opened it. Reload the page and change it again." : problem.message;
    alertWith(byId("alert"), problem.title, problem.errors.length === 0 ? [changed] : rest);
    focusWrong(form);
  }
}

/** Keep showing how the schedule stands; what is typed stays. */
function watch() {
  const show = (schedule) => {
    const state = schedule.enabled ? "active" : "";
    const facts = [fact("State", state, ...signs(schedule)), fact("Next run", nextRun(schedule)), fact("Last run", ...lastRun(schedule)), fact("Runs", el("a", { href: `/tasks?${new URLSearchParams([["tag", schedule.tag]])}`, textContent: schedule.runs.toLocaleString("en") }))];
    if (schedule.skipped) facts.push(fact("Left out", schedule.skipped.toLocaleString("en")));
    return el("div", {}, el("dl", {}, ...facts), trouble(schedule));
  };
  const again = poll(async () => {
    const schedule = await get(`/api/schedules/${id}`);
    if (schedule.enabled !== enabled) {
      // Pausing is a change, but not one that this form would undo.
      etag = etag === `"${schedule.version - 1}"` ? `"${schedule.version}"` : etag;
      enabled = schedule.enabled;
    }
    keyed(byId("state"), [schedule], (each) => each.schedule_id, show);
    keyed(byId("actions"), [{ schedule_id: id, name: schedule.name, enabled }], (each) => each.schedule_id, (each) => el("div", { className: "buttons" }, ...buttons(each, (gone) => (gone ? location.assign("/schedules") : again()))));
  }, EVERY_MS);
}

async function start() {
  for (;;) {
    try {
      const { task_types: types } = await get("/api/task-types");
      let given;
      if (id) {
        const { text, headers } = await request(`/api/schedules/${id}`);
        etag = headers.get("ETag");
        enabled = JSON.parse(text).enabled;
        given = members(text).get("task");
      }
      task.start(types, given);
      const wanted = given && JSON.parse(given).task_type;
      if (wanted && wanted !== task.type.name) alertWith(byId("alert"), "Its task type is gone", [`There is no task type ${visible(wanted)} any more; choose another one.`]);
      break;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
  if (id) watch();
}

if (!id) {
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if ([...byId("zones").options].some((each) => each.value === here)) byId("zone").value = here;
}
form.addEventListener("submit", (event) => {
  event.preventDefault();
  save();
});
startPreview();
start();
