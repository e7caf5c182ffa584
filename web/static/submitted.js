// What became of the task that was submitted here: state, progress and result, under the form.

import { request } from "./api.js";
import { badge, isTerminal, progress, setBadge, setProgress } from "./badges.js";
import { copyButton } from "./copy.js";
import { byId, el, setText } from "./dom.js";
import { members, visible } from "./json.js";
import { jsonView } from "./json-view.js";
import { TaskStream } from "./stream.js";

let stream = null;

/** Follow a task from its first answer (JSON text) to its end. */
export function follow(text) {
  stream?.close();
  const task = JSON.parse(text);
  const state = badge(task.status);
  const bar = progress(task.progress);
  const stage = el("span", { className: "stage isolate" });
  const ending = el("div", { className: "ending" });
  const link = el("a", { href: `/tasks/${task.task_id}`, textContent: task.task_type });
  const id = el("span", { className: "id" }, el("code", { textContent: task.task_id }), copyButton(task.task_id, "the id"));
  const box = byId("submitted");
  state.id = "status";
  state.setAttribute("aria-live", "polite");
  box.replaceChildren(el("p", { className: "head" }, state, link, id), el("p", { className: "how" }, bar, stage), ending);
  box.hidden = false;
  box.scrollIntoView({ block: "nearest" });

  const take = (status, fraction, words) => {
    setBadge(state, status);
    setProgress(bar, fraction);
    setText(stage, visible(words || ""));
  };
  const finish = async () => {
    const { text: whole } = await request(`/api/tasks/${task.task_id}`);
    const ended = JSON.parse(whole);
    take(ended.status, ended.progress, ended.stage);
    ending.replaceChildren(...endingOf(ended, whole));
  };
  take(task.status, task.progress, task.stage);
  if (isTerminal(task.status)) {
    ending.replaceChildren(...endingOf(task, text));
    return;
  }
  stream = new TaskStream(task.task_id, {
    event: (each) => each.kind !== "log" && each.kind !== "gap" && take(each.status, each.progress, each.stage),
    state: (name) => name === "ended" && finish().catch(() => {}),
  }, { after: task.version });
}

function endingOf(task, text) {
  if (task.status === "succeeded") return [el("h3", { textContent: "Result" }), jsonView(members(text).get("result"), "Result")];
  if (!task.error) return [];
  const words = visible(`${task.error.type}: ${task.error.message}`);
  return [el("p", { className: "alert isolate", textContent: words })];
}
