// Text of any length, as text: hidden characters are written as escapes, what is long opens on demand.

import { el } from "./dom.js";
import { visible } from "./json.js";

const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f]/g;

const shown = (text) => visible(text).replace(CONTROL, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);

/** Make a span of a text, at first with `most` characters of it. */
export function longText(text, most = 2000) {
  const whole = String(text);
  const part = el("span", { className: "isolate", textContent: shown(whole.slice(0, most)) });
  if (whole.length <= most) return part;
  const more = el("button", { type: "button", className: "link", textContent: `… ${(whole.length - most).toLocaleString("en")} more characters` });
  more.addEventListener("click", () => {
    part.textContent = shown(whole);
    more.remove();
  });
  return el("span", {}, part, " ", more);
}
