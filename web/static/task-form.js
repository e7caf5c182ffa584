// The body of a task as a form: a select of task types, fields made of the chosen type's schema, and the
// fields beside them. Home submits what it gives; a schedule keeps it.

import { byId, el, prose } from "./dom.js";
import { field } from "./fields.js";
import { members } from "./json.js";
import { uploader } from "./upload.js";

/** Fields of the body beside task_type and parameters. */
const ENVELOPE = {
  priority: { label: "Priority", enum: ["high", "normal", "low"] },
  delay: { label: "Delay", type: "number", description: "Seconds to wait before it runs." },
  max_retries: { label: "Retries", type: "integer", description: "Attempts after the first one." },
  time_limit: { label: "Time limit", type: "number", description: "Seconds one attempt may run." },
  tags: { label: "Tags", type: "string", description: "Up to 10, separated by commas." },
};

/**
 * Lives in the elements #task-type, #description, #parameters, #envelope and #options of the page.
 * `names` are the fields beside the parameters, `prefix` leads to the body in the pointers of problems.
 */
export class TaskForm {
  #types = [];
  #parameters = [];
  #envelope = [];
  #names;
  #prefix;
  /** The task to begin with: {task, parameters}, the latter as JSON texts by name. */
  #source = null;

  constructor(names, prefix = "") {
    this.#names = names;
    this.#prefix = prefix;
  }

  get type() {
    return this.#types.find((each) => each.name === byId("task-type").value);
  }

  get #fields() {
    return [...this.#parameters, ...this.#envelope];
  }

  /** Offer the task types; `text` is the JSON text of a body or task to begin with, or nothing. */
  start(types, text, wanted = "reverse_text") {
    this.#types = types;
    if (text) this.#source = { task: JSON.parse(text), parameters: members(members(text).get("parameters") || "{}") };
    const select = byId("task-type");
    select.replaceChildren(...types.map((each) => el("option", { value: each.name, textContent: each.name })));
    const before = this.#source?.task.task_type || wanted;
    select.selectedIndex = Math.max(0, types.findIndex((each) => each.name === before));
    select.addEventListener("change", () => this.#build());
    this.#build();
  }

  #build() {
    const { name: chosen, schema, example, defaults, description } = this.type;
    const required = schema.required || [];
    const before = this.#source?.task.task_type === chosen ? this.#source : null;
    const given = before?.task.parameters || (before ? {} : example.parameters) || {};
    this.#parameters = Object.entries(schema.properties || {}).map(([name, part]) =>
      field(name, part, {
        pointer: `${this.#prefix}/parameters/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`,
        required: required.includes(name),
        start: name in given ? given[name] : part.default,
        raw: before?.parameters.get(name),
        root: schema,
      }),
    );
    this.#envelope = this.#names.map((name) =>
      field(name, ENVELOPE[name], {
        pointer: `${this.#prefix}/${name}`,
        required: name === "priority",
        start: startOf(name, before?.task, defaults),
        label: ENVELOPE[name].label,
      }),
    );
    for (const each of this.#envelope) if (each.name === "max_retries" || each.name === "time_limit") each.input().placeholder = String(defaults[each.name]);
    byId("description").replaceChildren(...prose(description));
    byId("parameters").replaceChildren(...this.#parameters.map((each) => each.element));
    byId("envelope").replaceChildren(...this.#envelope.map((each) => each.element));
    const fileId = this.#parameters.find((each) => each.name === "file_id");
    if (fileId) byId("parameters").prepend(uploader((id) => this.#useFile(fileId, id)));
    this.clear();
    if (before) byId("options").open = this.#envelope.some((each) => (each.name === "priority" ? before.task.priority && before.task.priority !== defaults.priority : each.input().value !== ""));
  }

  #useFile(fileId, id) {
    fileId.write(id);
    this.#parameters.find((each) => each.name === "filename")?.write("");
  }

  /** Return the body as JSON text; fields that cannot be read say so and are left out. */
  json() {
    const parts = [`"task_type":${JSON.stringify(this.type.name)}`, `"parameters":{${pairs(this.#parameters).join(",")}}`];
    return `{${[...parts, ...pairs(this.#envelope, true)].join(",")}}`;
  }

  clear() {
    for (const each of this.#fields) each.fail("");
  }

  /** Show each of a problem's errors at the field its pointer leads to; returns the words of the others. */
  show(errors) {
    const rest = [];
    for (const { pointer, detail } of errors) {
      const at = this.#fields.find((each) => pointer === each.pointer || pointer.startsWith(`${each.pointer}/`));
      if (at) at.fail(pointer === at.pointer ? detail : `${pointer.slice(at.pointer.length + 1)}: ${detail}`);
      else rest.push(pointer ? `${pointer}: ${detail}` : detail);
    }
    return rest;
  }
}

function startOf(name, task, defaults) {
  if (name === "priority") return task?.priority || defaults.priority;
  if (name === "max_retries" || name === "time_limit") return task?.[name] === defaults[name] ? undefined : task?.[name];
  return name === "tags" ? task?.tags?.join(", ") : undefined;
}

function pairs(fields, splitTags = false) {
  const found = [];
  for (const each of fields) {
    try {
      let json = each.json();
      if (json === undefined) continue;
      if (splitTags && each.name === "tags") json = JSON.stringify(tags(JSON.parse(json)));
      found.push(`${JSON.stringify(each.name)}:${json}`);
    } catch (error) {
      each.fail(error.message);
    }
  }
  return found;
}

const tags = (text) => text.split(",").map((each) => each.trim()).filter((each) => each !== "");

/** Go to the first field of a form that is wrong; tells whether there is one. */
export function focusWrong(form) {
  const first = form.querySelector("[aria-invalid]");
  if (!first) return false;
  const options = first.closest("details");
  if (options) options.open = true;
  first.focus();
  return true;
}

/** Show what no field can show. */
export function alertWith(alert, title, texts) {
  alert.hidden = texts.length === 0;
  alert.replaceChildren(el("strong", { textContent: title }), ...texts.map((text) => el("p", { textContent: text })));
}
