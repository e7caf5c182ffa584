// One form field for one place of a JSON Schema. A field is
//   {element, pointer, input(), json(), fail(text)}
// where json() is the text of the value, or undefined to leave it out. Values go to the server as they
// were typed; it is the server that judges them.

import { el } from "./dom.js";
import { flaw, isNumber } from "./json.js";

/** Texts that may be longer than this get several lines. */
const LONG = 500;
let count = 0;

/**
 * Make the field of a property.
 * `start` is the value to begin with or undefined, `raw` its JSON text where numbers have to stay as they are;
 * `root` is the schema that "$ref"s point into.
 */
export function field(name, schema, { pointer, required = true, start, raw, root = schema, label = name }) {
  const control = controlFor(resolve(schema, root), { required, start, raw, root });
  const id = `field-${(count += 1)}`;
  const hint = el("p", { className: "hint", id: `${id}-hint`, textContent: schema.description || "" });
  const error = el("p", { className: "error", id: `${id}-error`, hidden: true });
  const title = el("label", { htmlFor: id, textContent: label });
  if (!required) title.append(" ", el("span", { className: "optional", textContent: "optional" }));
  const refresh = () => {
    const input = control.input();
    control.element.querySelectorAll("[data-main]").forEach((each) => each.removeAttribute("id"));
    input.id = id;
    input.name = name;
    input.setAttribute("aria-describedby", `${hint.id} ${error.id}`);
    if (required) input.setAttribute("aria-required", "true");
    input.toggleAttribute("data-main", true);
  };
  refresh();
  control.element.addEventListener("swap", refresh);
  const fail = (text) => {
    error.textContent = text || "";
    error.hidden = !text;
    if (text) control.input().setAttribute("aria-invalid", "true");
    else control.input().removeAttribute("aria-invalid");
  };
  const element = el("div", { className: "field" }, title, control.element, error, hint);
  hint.hidden = !hint.textContent;
  return { element, name, pointer, fail, input: control.input, json: control.json, write: control.write };
}

function resolve(schema, root) {
  const path = /^#\/\$defs\/(.+)$/.exec(schema.$ref || "");
  const found = path ? (root.$defs || {})[path[1]] : undefined;
  return found ? resolve(found, root) : schema;
}

function controlFor(schema, about) {
  const choices = (schema.anyOf || schema.oneOf || []).map((each) => resolve(each, about.root));
  const kinds = choices.filter((each) => each.type !== "null");
  if (kinds.length > 0 && kinds.every((each) => isNumeric(each))) return number(about);
  if (kinds.length === 1) return controlFor(kinds[0], about);
  if (kinds.length > 1) return union(kinds, about);
  if (schema.enum) return choice(schema.enum, about);
  if (schema.type === "string") return text(schema, about);
  if (isNumeric(schema)) return number(about);
  if (schema.type === "boolean") return choice([true, false], about);
  if (schema.type === "array" && resolve(schema.items || {}, about.root).type === "string") return lines(about);
  return json(about);
}

const isNumeric = (schema) => schema.type === "integer" || schema.type === "number";

/** A control around one input element; `read` makes JSON text of its value. */
function simple(element, read) {
  const write = (value) => {
    element.value = value;
  };
  return { element, input: () => element, json: () => read(element.value), write };
}

function text(schema, { required, start }) {
  const value = typeof start === "string" ? start : "";
  const long = (schema.maxLength || 0) > LONG;
  const element = long ? el("textarea", { rows: 3, value }) : el("input", { type: "text", value });
  return simple(element, (typed) => (typed === "" && !required ? undefined : JSON.stringify(typed)));
}

function number({ required, start, raw }) {
  const value = typeof start === "number" ? raw || String(start) : "";
  const element = el("input", { type: "text", inputMode: "decimal", value });
  return simple(element, (typed) => {
    const trimmed = typed.trim();
    if (trimmed === "" && !required) return undefined;
    return isNumber(trimmed) ? trimmed : JSON.stringify(trimmed);
  });
}

function choice(values, { required, start }) {
  const element = el("select");
  if (!required) element.append(el("option", { value: "", textContent: "—" }));
  for (const value of values) element.append(el("option", { value: JSON.stringify(value), textContent: String(value) }));
  if (start !== undefined && start !== null) element.value = JSON.stringify(start);
  return simple(element, (chosen) => chosen || undefined);
}

function lines({ required, start }) {
  const element = el("textarea", { rows: 3, value: Array.isArray(start) ? start.join("\n") : "" });
  element.placeholder = "one a line";
  return simple(element, (typed) => {
    const given = typed.split("\n").map((line) => line.trim()).filter((line) => line !== "");
    return given.length === 0 && !required ? undefined : JSON.stringify(given);
  });
}

function json({ required, start, raw }) {
  const value = start === undefined || start === null ? "" : raw || JSON.stringify(start);
  const element = el("textarea", { rows: 3, value, className: "code", spellcheck: false });
  element.placeholder = "JSON";
  return simple(element, (typed) => {
    if (typed.trim() === "" && !required) return undefined;
    const problem = flaw(typed);
    if (problem) throw new Error(`is not JSON: ${problem}`);
    return typed;
  });
}

const NAMES = { string: "text", array: "list", object: "object", boolean: "yes or no", integer: "number", number: "number" };

/** One of several kinds of value: a choice of the kind, and the control of that kind. */
function union(kinds, { required, start, raw, root }) {
  const kindOf = (value) => (Array.isArray(value) ? "array" : value === null ? "null" : typeof value);
  const given = kinds.findIndex((each) => each.type === kindOf(start));
  const controls = kinds.map((each, at) => controlFor(each, { required, root, raw, start: at === given ? start : undefined }));
  const pick = el("select", { className: "kind", "aria-label": "Kind of value" });
  kinds.forEach((each, at) => pick.append(el("option", { value: at, textContent: NAMES[each.type] || "JSON" })));
  pick.value = String(Math.max(0, given));
  const current = () => controls[Number(pick.value)];
  const place = el("div", {}, current().element);
  const element = el("div", { className: "union" }, pick, place);
  pick.addEventListener("change", () => {
    place.replaceChildren(current().element);
    element.dispatchEvent(new Event("swap"));
  });
  return { element, input: () => current().input(), json: () => current().json(), write: (value) => current().write(value) };
}
