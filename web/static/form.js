// The form: built from the schema of the chosen task type, submitted as JSON, problems shown at their fields.

import { newKey, submit } from "./api.js";
import { command, copy } from "./curl.js";
import { byId, el, prose } from "./dom.js";
import { field } from "./fields.js";
import { members } from "./json.js";
import { uploader } from "./upload.js";

/** Fields of the body beside task_type and parameters. */
const ENVELOPE = {
  priority: { enum: ["high", "normal", "low"] },
  delay: { type: "number", description: "Seconds to wait before it runs." },
  max_retries: { type: "integer", description: "Attempts after the first one." },
  tags: { type: "string", description: "Up to 10, separated by commas." },
};

let types = [];
let parameters = [];
let envelope = [];
/** The last body that got no answer, and its Idempotency-Key: sent again, it cannot run twice. */
let unanswered = null;
/** The task that is run again with changes: {task, parameters}, the latter as JSON texts by name. */
let source = null;

/**
 * Fill in the task types and begin; `onSubmitted` gets the text of each accepted task. `again` is the text
 * of a task to begin with, or nothing.
 */
export function start(taskTypes, onSubmitted, again) {
  types = taskTypes;
  if (again) source = { task: JSON.parse(again), parameters: members(members(again).get("parameters")) };
  const select = byId("task-type");
  select.replaceChildren(...types.map((each) => el("option", { value: each.name, textContent: each.name })));
  const wanted = types.findIndex((each) => each.name === (source?.task.task_type || "reverse_text"));
  select.selectedIndex = Math.max(0, wanted);
  select.addEventListener("change", build);
  byId("form").addEventListener("submit", (event) => {
    event.preventDefault();
    send(onSubmitted);
  });
  byId("curl").addEventListener("click", async () => {
    const body = read();
    if (body !== null) byId("said").textContent = await copy(command(body));
  });
  build();
}

const chosen = () => types.find((each) => each.name === byId("task-type").value);

function build() {
  const type = chosen();
  const { schema, example, defaults } = type;
  const required = schema.required || [];
  const before = source?.task.task_type === type.name ? source : null;
  const given = before?.task.parameters || example.parameters || {};
  parameters = Object.entries(schema.properties || {}).map(([name, part]) =>
    field(name, part, {
      pointer: `/parameters/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`,
      required: required.includes(name),
      start: name in given ? given[name] : part.default,
      raw: before?.parameters.get(name),
      root: schema,
    }),
  );
  envelope = Object.entries(ENVELOPE).map(([name, part]) =>
    field(name, part, {
      pointer: `/${name}`,
      required: name === "priority",
      start: startOf(name, before?.task, defaults),
      label: { priority: "Priority", delay: "Delay", max_retries: "Retries", tags: "Tags" }[name],
    }),
  );
  envelope[2].input().placeholder = String(defaults.max_retries);
  byId("description").replaceChildren(...prose(type.description));
  byId("parameters").replaceChildren(...parameters.map((each) => each.element));
  byId("envelope").replaceChildren(...envelope.map((each) => each.element));
  const fileId = parameters.find((each) => each.name === "file_id");
  if (fileId) byId("parameters").prepend(uploader((id) => useFile(fileId, id)));
  clear();
  if (!before) return;
  byId("options").open = before.task.tags.length > 0 || [1, 2].some((at) => envelope[at].input().value !== "") || before.task.priority !== defaults.priority;
  byId("said").textContent = `Filled in from task …${before.task.task_id.slice(-12)}`;
}

function startOf(name, task, defaults) {
  if (name === "priority") return task?.priority || defaults.priority;
  if (name === "max_retries" && task?.max_retries !== defaults.max_retries) return task?.max_retries;
  return name === "tags" ? task?.tags.join(", ") : undefined;
}

function useFile(fileId, id) {
  fileId.write(id);
  parameters.find((each) => each.name === "filename")?.write("");
}

/** Return the body as JSON text, or null when a field cannot be read. */
function read() {
  clear();
  const parts = [`"task_type":${JSON.stringify(chosen().name)}`, `"parameters":{${pairs(parameters).join(",")}}`];
  parts.push(...pairs(envelope));
  if (document.querySelector("#form [aria-invalid]")) {
    focusFirst();
    return null;
  }
  return `{${parts.join(",")}}`;
}

function pairs(fields) {
  const found = [];
  for (const each of fields) {
    try {
      let json = each.json();
      if (json === undefined) continue;
      if (each.pointer === "/tags") json = JSON.stringify(tags(JSON.parse(json)));
      found.push(`${JSON.stringify(each.name)}:${json}`);
    } catch (error) {
      each.fail(error.message);
    }
  }
  return found;
}

const tags = (text) => text.split(",").map((each) => each.trim()).filter((each) => each !== "");

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
    show(problem);
  } finally {
    button.disabled = false;
  }
}

function clear() {
  for (const each of [...parameters, ...envelope]) each.fail("");
  byId("alert").hidden = true;
  byId("said").textContent = "";
}

/** Show each error at the field its pointer leads to, and the others together. */
function show(problem) {
  const rest = [];
  for (const { pointer, detail } of problem.errors) {
    const at = [...parameters, ...envelope].find((each) => pointer === each.pointer || pointer.startsWith(`${each.pointer}/`));
    if (at) at.fail(pointer === at.pointer ? detail : `${pointer.slice(at.pointer.length + 1)}: ${detail}`);
    else rest.push(pointer ? `${pointer}: ${detail}` : detail);
  }
  if (problem.errors.length === 0) rest.push(problem.message);
  const alert = byId("alert");
  alert.hidden = rest.length === 0;
  alert.replaceChildren(el("strong", { textContent: problem.title }), ...rest.map((text) => el("p", { textContent: text })));
  focusFirst();
}

function focusFirst() {
  const first = document.querySelector("#form [aria-invalid]");
  if (!first) return;
  const options = first.closest("details");
  if (options) options.open = true;
  first.focus();
}
