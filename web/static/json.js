// JSON as text: what the server sent is shown digit by digit. JSON.parse would round numbers beyond a
// double's 15 digits.

const BLANK = /[ \t\n\r]/;
/** Characters that reorder or hide what is around them; in JSON they may be written as escapes. */
const HIDDEN = /[\u0080-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

export const isNumber = (text) => NUMBER.test(text);

/** Return why `text` is no JSON, or null. */
export function flaw(text) {
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    return error.message;
  }
}

function skip(text, at) {
  while (at < text.length && BLANK.test(text[at])) at += 1;
  return at;
}

/** Return the index behind the string that starts at `at`. */
function stringEnd(text, at) {
  for (at += 1; ; at += 1) {
    const quote = text.indexOf('"', at);
    if (quote < 0) return text.length;
    let slashes = 0;
    while (text[quote - 1 - slashes] === "\\") slashes += 1;
    at = quote;
    if (slashes % 2 === 0) return quote + 1;
  }
}

/** Return the index behind the value that starts at `at`. */
function valueEnd(text, at) {
  if (text[at] === '"') return stringEnd(text, at);
  let depth = 0;
  while (at < text.length) {
    const char = text[at];
    if (char === "{" || char === "[") depth += 1;
    else if (char === "}" || char === "]") depth -= 1;
    else if (char === "," && depth === 0) return at;
    if (depth < 0) return at; // the end of what the value is in
    at = char === '"' ? stringEnd(text, at) : at + 1;
    if (depth === 0 && (char === "}" || char === "]")) return at;
  }
  return at;
}

/** Return the members of a JSON object as a Map from name to the text of the value. */
export function members(text) {
  const found = new Map();
  let at = skip(text, skip(text, 0) + 1);
  while (text[at] === '"') {
    const colon = stringEnd(text, at);
    const start = skip(text, skip(text, colon) + 1);
    const end = valueEnd(text, start);
    found.set(JSON.parse(text.slice(at, colon)), text.slice(start, end).trim());
    at = skip(text, skip(text, end) + 1);
  }
  return found;
}

/** Return the texts of the elements of a JSON array. */
export function elements(text) {
  const found = [];
  let at = skip(text, skip(text, 0) + 1);
  while (at < text.length && text[at] !== "]") {
    const end = valueEnd(text, at);
    found.push(text.slice(at, end).trim());
    at = skip(text, skip(text, end) + 1);
  }
  return found;
}

/** Return JSON text with one value a line, and every character of it visible. */
export function pretty(text) {
  const out = [];
  let depth = 0;
  let at = 0;
  const line = () => out.push("\n", "  ".repeat(depth));
  while ((at = skip(text, at)) < text.length) {
    const char = text[at];
    if (char === '"') {
      const end = stringEnd(text, at);
      out.push(text.slice(at, end));
      at = end;
      continue;
    }
    at += 1;
    if (char === "{" || char === "[") {
      const next = skip(text, at);
      out.push(char);
      if (text[next] === "}" || text[next] === "]") {
        out.push(text[next]);
        at = next + 1;
      } else {
        depth += 1;
        line();
      }
    } else if (char === "}" || char === "]") {
      depth -= 1;
      line();
      out.push(char);
    } else if (char === ",") {
      out.push(char);
      line();
    } else {
      out.push(char === ":" ? ": " : char);
    }
  }
  return visible(out.join(""));
}

/** Return text with hidden and direction-changing characters written as \uXXXX. */
export function visible(text) {
  return text.replace(HIDDEN, (char) => "\\u" + char.charCodeAt(0).toString(16).padStart(4, "0"));
}
