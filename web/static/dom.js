// Makes elements. Text is only ever set as text: nothing from the server is parsed as HTML.

/**
 * Make an element. `props` are properties (className, textContent, …), or attributes when they hold a
 * dash or start with "@"; children are elements or strings.
 */
export function el(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("@")) made.setAttribute(name.slice(1), value);
    else if (name.includes("-")) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Return nodes of a text in which `words like this` are code, and only empty lines break it. */
export function prose(text) {
  const parts = text.replace(/([^\n])\n(?!\n)/g, "$1 ").split("`");
  return parts.map((part, at) => (at % 2 ? el("code", { textContent: part }) : part));
}

/** Return nodes of a name that may break after its underscores. */
export function breakable(name) {
  return name.split(/(?<=_)/).flatMap((part, at) => (at ? [el("wbr"), part] : [part]));
}

export const byId = (id) => document.getElementById(id);

/** Set text only when it differs, so that screen readers do not repeat it and selections stay. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
