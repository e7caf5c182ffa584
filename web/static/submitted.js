// What became of the task that was submitted here: state, progress and result, under the form.

import { post, request } from "./api.js";
import { badge, isTerminal, progress, setBadge, setProgress } from "./badges.js";
import { copyButton } from "./copy.js";
import { byId, el, setText } from "./dom.js";
import { members, visible } from "./json.js";
import { jsonView } from "./json-view.js";
import { batched, TaskStream } from "./stream.js";

let current = null;

/** Follow a task from its first answer (JSON text) to its end. */
export function follow(text) {
  current?.stop();
  current = new Card(text);
  byId("submitted").scrollIntoView({ block: "nearest" });
}

class Card {
  #stream = null;
  #ending = el("div", { className: "ending" });
  #badge = badge("queued");
  #bar = progress(0);
  #stage = el("span", { className: "stage isolate", id: "stage" });
  #said = el("span", { id: "task-said", role: "status" });
  #cancel = button("Cancel", () => this.#act("cancel"));
  #retry = button("Retry", () => this.#act("retry"));
  #paint = batched(() => this.#show());

  constructor(text) {
    this.task = JSON.parse(text);
    const { task_id: id, task_type: name, tags } = this.task;
    this.path = `/api/tasks/${id}`;
    this.#badge.id = "status";
    this.#badge.setAttribute("aria-live", "polite");
    this.#bar.lastElementChild.id = "percent";
    const link = el("a", { href: `/tasks/${id}`, textContent: name });
    const whole = el("span", { className: "id" }, el("code", { textContent: id }), copyButton(id, "the id"));
    const sent = el("details", {}, el("summary", { textContent: "Parameters sent" }));
    sent.append(identified("sent", jsonView(members(text).get("parameters"), "Parameters")));
    const marks = tags.map((each) => el("span", { className: "chip isolate", textContent: visible(each) }));
    const box = byId("submitted");
    box.replaceChildren(
      el("p", { className: "head" }, this.#badge, link, whole),
      el("p", { className: "how" }, this.#bar, this.#stage),
      this.#ending,
      sent,
      el("p", { className: "chips", hidden: marks.length === 0 }, ...marks),
      el("p", { className: "buttons" }, this.#cancel, this.#retry, el("a", { href: `/tasks/${id}`, textContent: "Everything about this task" }), this.#said),
    );
    box.hidden = false;
    this.#take(text);
  }

  stop() {
    this.#stream?.close("replaced");
    this.#stream = null;
  }

  /** Take the whole task, and follow it on from there. */
  #take(text) {
    this.task = JSON.parse(text);
    this.#show();
    const over = isTerminal(this.task.status);
    this.#ending.replaceChildren(...(over ? endingOf(this.task, text) : []));
    this.stop();
    if (over) return;
    this.#stream = new TaskStream(this.task.task_id, {
      event: (each) => {
        if (each.kind !== "state" && each.kind !== "progress") return;
        Object.assign(this.task, { status: each.status, progress: each.progress, stage: each.stage });
        this.#paint();
      },
      state: (name) => name === "ended" && this.#look(),
    }, { after: this.task.version });
  }

  async #look() {
    try {
      this.#take((await request(this.path)).text);
    } catch (problem) {
      setText(this.#said, problem.message);
    }
  }

  #show() {
    const { status, progress: fraction, stage } = this.task;
    setBadge(this.#badge, status);
    setProgress(this.#bar, fraction);
    setText(this.#stage, visible(stage || ""));
    this.#cancel.hidden = isTerminal(status);
    this.#retry.hidden = status !== "failed" && status !== "cancelled";
  }

  async #act(name) {
    setText(this.#said, "");
    try {
      this.#take((await post(`${this.path}/${name}`)).text);
    } catch (problem) {
      setText(this.#said, problem.message);
    }
  }
}

function button(text, act) {
  const made = el("button", { type: "button", textContent: text });
  made.addEventListener("click", act);
  return made;
}

function identified(id, element) {
  element.id = id;
  return element;
}

function endingOf(task, text) {
  if (task.status === "succeeded") {
    const result = identified("result", jsonView(members(text).get("result"), "Result"));
    return [el("h3", { textContent: "Result" }), result];
  }
  if (!task.error) return [];
  const words = el("p", { id: "error", className: "isolate", textContent: visible(`${task.error.type}: ${task.error.message}`) });
  const box = el("div", { className: "alert" }, words);
  if (task.error.traceback) {
    const trace = el("pre", { id: "traceback", tabIndex: 0, "aria-label": "Traceback", textContent: visible(task.error.traceback) });
    box.append(el("details", {}, el("summary", { textContent: "Traceback" }), trace));
  }
  return [box];
}
