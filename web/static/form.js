// The form of the first page: submits a task as JSON, shows problems at their fields.

import { newKey, submit } from "./api.js";
import { command, copy } from "./curl.js";
import { byId } from "./dom.js";
import { alertWith, focusWrong, TaskForm } from "./task-form.js";

const task = new TaskForm(["priority", "delay", "max_retries", "tags"]);
/** The last body that got no answer, and its Idempotency-Key: sent again, it cannot run twice. */
let unanswered = null;

/**
 * Fill in the task types and begin; `onSubmitted` gets the text of each accepted task. `again` is the text
 * of a task to begin with, or nothing.
 */
export function start(types, onSubmitted, again) {
  const { task_id: id, task_type: type } = again ? JSON.parse(again) : {};
  const tell = () => {
    byId("alert").hidden = true;
    byId("said").textContent = id && task.type.name === type ? `Filled in from task …${id.slice(-12)}` : "";
  };
  task.start(types, again);
  tell();
  byId("task-type").addEventListener("change", tell);
  byId("form").addEventListener("submit", (event) => {
    event.preventDefault();
    send(onSubmitted);
  });
  byId("curl").addEventListener("click", async () => {
    const body = read();
    if (body !== null) byId("said").textContent = await copy(command(body));
  });
}

/** Return the body as JSON text, or null when a field cannot be read. */
function read() {
  task.clear();
  byId("alert").hidden = true;
  byId("said").textContent = "";
  const body = task.json();
  return focusWrong(byId("form")) ? null : body;
}

async function send(onSubmitted) {
  const body = read();
  if (body === null) return;
  const button = byId("send");
  button.disabled = true;
  if (unanswered?.body !== body) unanswered = { body, key: newKey() };
  try {
    const { text } = await submit(body, unanswered.key);
    unanswered = null;
    byId("said").textContent = "Submitted";
    onSubmitted(text);
  } catch (problem) {
    if (problem.status !== 0) unanswered = null;
    const rest = task.show(problem.errors);
    alertWith(byId("alert"), problem.title, problem.errors.length === 0 ? [problem.message] : rest);
    focusWrong(byId("form"));
  } finally {
    button.disabled = false;
  }
}
