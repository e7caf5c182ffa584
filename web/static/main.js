// Puts the page together: form → task → card, and the list beside them.

import { connection, post, request } from "./api.js";
import { makeCard } from "./card.js";
import { byId, setText } from "./dom.js";
import * as form from "./form.js";
import * as list from "./list.js";
import { Watch } from "./watch.js";

let watch = null;
let shown = "";
let status = "";
const card = makeCard(act);

function open(id) {
  watch?.stop();
  shown = id;
  card.say("");
  if (location.hash !== `#${id}`) history.replaceState(null, "", `#${id}`);
  list.mark(id);
  watch = new Watch(id, change, gone);
}

function change(text, task) {
  if (task.task_id !== shown) return;
  byId("card").hidden = false;
  byId("no-task").hidden = true;
  card.show(text, task);
  if (task.status !== status) list.refresh();
  status = task.status;
}

function gone(problem) {
  byId("card").hidden = true;
  byId("no-task").hidden = false;
  setText(byId("no-task"), `There is no such task any more: ${problem.message}`);
}

async function act(name) {
  const id = shown;
  try {
    await post(`/api/tasks/${id}/${name}`);
    if (id === shown) open(id);
  } catch (problem) {
    card.say(problem.message);
  }
  list.refresh();
}

function openFromAddress() {
  const id = location.hash.slice(1);
  if (/^[0-9a-f-]{36}$/.test(id) && id !== shown) open(id);
}

async function submitted(text) {
  open(JSON.parse(text).task_id);
  byId("task").scrollIntoView({ block: "nearest" }); // on a narrow screen it is below the form
  await list.refresh();
  list.mark(shown);
}

async function begin() {
  connection.addEventListener("change", () => {
    byId("connection").hidden = connection.trouble === "";
    setText(byId("connection"), connection.trouble);
  });
  byId("card").append(card.element);
  list.start(open);
  window.addEventListener("hashchange", openFromAddress);
  openFromAddress();
  for (;;) {
    try {
      const { text } = await request("/api/task-types");
      form.start(JSON.parse(text).task_types, submitted);
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
}

begin();
