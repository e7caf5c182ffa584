// Short messages at the edge of the page; read out by screen readers.

import { byId, el } from "./dom.js";

const SHOWN_MS = 6000;
const MOST = 4;

/** Show a message; `kind` is good, bad or plain; `link` is {href, text} or nothing. */
export function toast(text, kind = "plain", link = null) {
  const close = el("button", { type: "button", className: "quiet icon", "aria-label": "Dismiss", textContent: "×" });
  const more = link && el("a", { href: link.href, textContent: link.text });
  const made = el("div", { className: "toast", "@data-kind": kind }, el("p", { textContent: text }, more && " ", more), close);
  let timer = setTimeout(() => made.remove(), SHOWN_MS);
  made.addEventListener("pointerenter", () => clearTimeout(timer));
  made.addEventListener("pointerleave", () => (timer = setTimeout(() => made.remove(), SHOWN_MS)));
  close.addEventListener("click", () => made.remove());
  const place = byId("toasts");
  place.append(made);
  while (place.children.length > MOST) place.firstElementChild.remove();
}
