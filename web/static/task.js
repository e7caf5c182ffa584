// The page of one task: follows its events from the first one, and reads the record when its state changes.

import { post, remove, request } from "./api.js";
import { badge, isTerminal, setBadge, setProgress } from "./badges.js";
import { ACTIONS } from "./bulk.js";
import { copyText } from "./copy.js";
import { drawBar, drawPath, stretches, summary } from "./course.js";
import { command } from "./curl.js";
import { confirmDialog, counted } from "./dialog.js";
import { byId, el, setText } from "./dom.js";
import { members } from "./json.js";
import { jsonView } from "./json-view.js";
import { LogView } from "./log-view.js";
import { watchPause } from "./paused.js";
import { Stages } from "./stages.js";
import { TaskStream, batched } from "./stream.js";
import * as parts from "./task-parts.js";
import { toast } from "./toast.js";

const id = byId("task").dataset.id;
const path = `/api/tasks/${id}`;
const stages = new Stages();
const open = new Set();
const bar = document.querySelector(".how .progress");

let text = "";
let task = null;
/** The newest event: {status, progress, stage, version}. */
let newest = { version: 0 };
let stream = null;
let gone = false;

const log = new LogView(byId("log"), {
  onChange(lines, following) {
    setText(byId("log-sum"), lines ? counted(lines, "line") : "");
    byId("level-box").hidden = lines === 0;
    byId("jump").hidden = following || lines === 0;
  },
});

const draw = batched(() => {
  if (!task) return;
  const seen = newest.version >= task.version ? newest : task;
  const state = byId("status").firstElementChild;
  setBadge(state, seen.status);
  setProgress(bar, seen.progress);
  stages.draw(byId("stages"), seen.status === "running");
  drawCourse();
});

function drawCourse() {
  const found = stretches(task);
  drawPath(byId("path"), task, found);
  drawBar(byId("gantt"), found);
}

let asked = null;

/** Read the record soon, also in a tab that nobody sees. */
function reload() {
  asked ??= setTimeout(() => {
    asked = null;
    load().catch(() => {});
  }, 60);
}

const lookForPause = watchPause(byId("paused"), () => (task?.status === "queued" ? task.queue : undefined));

async function load() {
  const answer = await request(path);
  if (text === answer.text) return;
  text = answer.text;
  task = JSON.parse(text);
  byId("facts").replaceChildren(...parts.facts(task));
  byId("course-sum").replaceChildren(...summary(task, stretches(task)));
  showJson("parameters", members(text).get("parameters"), "Parameters");
  const ending = parts.outcome(task, text);
  byId("outcome").hidden = !ending;
  if (ending) {
    setText(byId("outcome-title"), ending.title);
    byId("outcome-body").replaceChildren(...ending.parts);
  }
  byId("attempts-panel").hidden = task.history.length === 0;
  setText(byId("attempts-sum"), counted(task.history.length, "ended attempt"));
  byId("attempts").replaceChildren(...parts.attempts(task, text, open));
  for (const [name, { from }] of Object.entries(ACTIONS)) byId(name).hidden = !from.includes(task.status);
  if (newest.version === 0) byId("status").replaceChildren(badge(task.status));
  lookForPause();
  draw();
}

const shown = {};

function showJson(name, raw, label) {
  if (shown[name] === raw) return;
  shown[name] = raw;
  byId(name).replaceChildren(jsonView(raw, label));
}

function take(message) {
  if (message.kind === "log" || message.kind === "gap") {
    log.add(message);
    if (message.kind === "gap") reload();
    return;
  }
  newest = message;
  stages.take(message);
  draw();
  if (message.kind === "state" && task && message.version > task.version) reload();
}

function follow(after) {
  stream?.close();
  stream = new TaskStream(
    id,
    {
      event: take,
      state(name) {
        if (name === "gone") disappear();
        else if (name === "live" || name === "ended") reload();
      },
    },
    { after },
  );
}

function disappear() {
  if (gone) return;
  gone = true;
  document.querySelectorAll("#actions button").forEach((each) => (each.hidden = true));
  byId("task").prepend(el("div", { className: "note deleted", role: "status", textContent: "This task has been deleted. What is shown here is what was known of it." }));
}

async function act(name) {
  const { verb, text: words, danger, keep } = ACTIONS[name];
  const one = { retry: "It runs again under the same id; earlier attempts stay in its history.", cancel: task.status === "running" ? "It is asked to stop." : "It will not run.", delete: "Its record, result and log are gone for good." };
  if (name !== "retry" && !(await confirmDialog({ title: `${verb} this task?`, text: one[name] || words, action: `${verb} task`, keep: keep.replace("them", "it"), danger }))) return;
  const button = byId(name);
  button.disabled = true;
  try {
    if (name === "delete") {
      gone = true;
      await remove(path);
      location.assign("/tasks");
      return;
    }
    await post(`${path}/${name}`);
    toast(name === "retry" ? "It is queued again." : "Cancel requested.", "good");
    if (!stream || isTerminal(task.status)) follow(stream?.after || 0);
  } catch (problem) {
    gone = false;
    toast(problem.message, "bad");
  } finally {
    button.disabled = false;
    reload();
  }
}

/** Return the body that submits the same task, digit by digit. */
function body() {
  const record = members(text);
  const pairs = ["task_type", "parameters", "priority", "max_retries", "time_limit", "tags"].filter((name) => record.has(name) && record.get(name) !== "[]");
  return `{${pairs.map((name) => `${JSON.stringify(name)}: ${record.get(name)}`).join(", ")}}`;
}

function startButtons() {
  for (const name of Object.keys(ACTIONS)) byId(name).addEventListener("click", () => act(name));
  byId("curl").hidden = false;
  byId("curl").addEventListener("click", async () => {
    const done = await copyText(command(body()));
    toast(done ? "Copied: the command that submits this task again." : "The browser does not let this page copy.", done ? "good" : "bad");
  });
  byId("jump").addEventListener("click", () => log.follow());
  byId("level").addEventListener("change", ({ target }) => {
    byId("log").dataset.level = target.value;
    log.follow();
  });
}

startButtons();
load().catch(() => {});
follow(0);
// The times of what goes on grow; and what ended may have been retried elsewhere.
setInterval(() => !document.hidden && task && !isTerminal(task.status) && drawCourse(), 500);
document.addEventListener("visibilitychange", async () => {
  if (document.hidden || gone || !task || !isTerminal(task.status)) return;
  await load().catch(() => {});
  if (!isTerminal(task.status)) follow(stream.after);
});
