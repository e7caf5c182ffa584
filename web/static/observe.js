// Several tasks side by side. The ids are kept in the address; each task is followed by a WebSocket.

import { get, request } from "./api.js";
import { badge, isTerminal, progress, setBadge, setProgress } from "./badges.js";
import { copyButton } from "./copy.js";
import { byId, el, setText } from "./dom.js";
import { members, visible } from "./json.js";
import { jsonView } from "./json-view.js";
import { LogView } from "./log-view.js";
import { longText } from "./long-text.js";
import { Stages } from "./stages.js";
import { TaskStream, batched } from "./stream.js";
import { timeElement } from "./time.js";

const MOST = 24;
const LINES = 200;
const ID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi;
const WORDS = { lost: "Disconnected… Reconnecting…", paused: "Paused", connecting: "Connecting…", live: "Live" };

/** id → Card, in the order of the page. */
const cards = new Map();

class Card {
  #stages = new Stages();
  #newest = null;
  #draw = batched(() => this.#render());

  constructor(id) {
    this.id = id;
    this.title = el("a", { href: `/tasks/${id}`, textContent: "Task" });
    this.state = badge("queued");
    this.state.hidden = true;
    this.bar = progress(0);
    this.stages = el("ol", { className: "stages" });
    this.lines = el("div", { className: "log", tabIndex: 0, role: "region", "aria-label": "Log lines" });
    this.sign = el("span", { className: "live", role: "status", "@data-state": "idle" });
    this.ending = el("div", { className: "ending" });
    this.log = new LogView(this.lines, { most: LINES });
    const close = el("button", { type: "button", className: "quiet icon", "aria-label": `Stop observing ${id}`, textContent: "×" });
    close.addEventListener("click", () => forget(this));
    const known = el("span", { className: "id" }, el("code", { textContent: id.slice(-12), title: id }), copyButton(id, `the id ${id}`));
    this.body = el("div", { className: "body stack" }, el("div", { className: "meta" }, known, this.sign), this.bar, this.stages, this.lines, this.ending);
    this.element = el("article", { className: "panel card", "@data-id": id }, el("div", { className: "title" }, el("h2", {}, this.title), el("span", { className: "buttons" }, this.state, close)), this.body);
    this.read().catch(() => {});
    this.follow();
  }

  follow() {
    this.stream = new TaskStream(this.id, { event: (message) => this.#take(message), state: (name) => this.#tell(name) }, { socket: true });
  }

  /** Read the record: what it is, and how it ended. */
  async read() {
    const { text } = await request(`/api/tasks/${this.id}`);
    const task = JSON.parse(text);
    this.title.replaceChildren(visible(task.task_type));
    if (!this.#newest || this.#newest.version <= task.version) {
      this.#newest = { ...this.#newest, ...task, version: task.version };
      this.#draw();
    }
    if (!isTerminal(task.status)) return;
    const parts = [el("p", { className: "quiet-text" }, `${task.status} `, timeElement(task.finished_at))];
    if (task.status === "succeeded") parts.push(jsonView(members(text).get("result"), "Result"));
    else if (task.error) parts.push(el("p", { className: "alert" }, longText(`${task.error.type}: ${task.error.message}`, 500)));
    this.ending.replaceChildren(...parts);
  }

  close() {
    this.stream.close();
    this.element.remove();
  }

  #take(message) {
    if (message.kind === "log" || message.kind === "gap") {
      this.log.add(message);
      return;
    }
    this.#newest = message;
    this.#stages.take(message);
    this.#draw();
  }

  #tell(name) {
    this.sign.dataset.state = name in WORDS ? name : "idle";
    setText(this.sign, WORDS[name] || "");
    if (name === "ended") this.read().catch(() => {});
    if (name === "gone") {
      this.state.hidden = true;
      setText(this.title, "Unknown task");
      this.body.replaceChildren(el("p", { className: "quiet-text", textContent: "There is no task with this id. It may have been deleted, or its time to be kept is over." }), el("code", { className: "isolate", textContent: this.id }));
    }
  }

  #render() {
    if (!this.#newest) return;
    this.state.hidden = false;
    setBadge(this.state, this.#newest.status);
    setProgress(this.bar, this.#newest.progress);
    this.#stages.draw(this.stages, this.#newest.status === "running");
  }
}

function observe(ids) {
  for (const id of ids) {
    if (cards.has(id)) continue;
    const card = new Card(id);
    cards.set(id, card);
    byId("cards").append(card.element);
  }
  remember();
}

function forget(card) {
  card.close();
  cards.delete(card.id);
  remember();
  byId("id").focus();
}

function remember() {
  const query = new URLSearchParams([...cards.keys()].map((id) => ["id", id])).toString();
  history.replaceState(null, "", `/observe${query && `?${query}`}`);
  byId("nothing").hidden = cards.size > 0;
  if (cards.size === 0) offer().catch(() => {});
}

function fail(words) {
  const input = byId("id");
  byId("id-error").hidden = !words;
  setText(byId("id-error"), words);
  if (words) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
}

/** Take what was typed or pasted: ids, or anything that holds ids. */
function open() {
  const input = byId("id");
  const typed = input.value.trim();
  const ids = [...new Set((typed.match(ID) || []).map((each) => each.toLowerCase()))];
  if (typed === "") fail("Paste an id first.");
  else if (ids.length === 0) fail("This is no task id: an id is a UUID such as 01993b5e-7c1a-7d52-8f3e-0a9b8c7d6e5f.");
  else if (new Set([...cards.keys(), ...ids]).size > MOST) fail(`A page shows ${MOST} tasks at most; close some first.`);
  else {
    fail("");
    input.value = "";
    observe(ids);
    return;
  }
  input.focus();
}

/** Offer the tasks that run now, and the newest ones. */
async function offer() {
  const { tasks } = await get("/api/tasks?limit=6");
  const items = tasks.map((task) => {
    const add = el("button", { type: "button", className: "link", textContent: task.task_type });
    add.addEventListener("click", () => observe([task.task_id]));
    return el("li", {}, add, " ", badge(task.status), " ", timeElement(task.created_at));
  });
  byId("recent").replaceChildren(...items);
}

byId("open").addEventListener("submit", (event) => {
  event.preventDefault();
  open();
});
byId("id").addEventListener("paste", () => setTimeout(() => byId("id").value.match(ID) && open()));
byId("cards").replaceChildren();
document.querySelectorAll("#open input[type=hidden]").forEach((each) => each.remove());
const given = new URLSearchParams(location.search).getAll("id").flatMap((each) => each.match(ID) || []);
observe([...new Set(given.map((each) => each.toLowerCase()))].slice(0, MOST));
