// Copies text, also where the page came by plain HTTP and the browser has no clipboard for it.

import { el } from "./dom.js";

/** Put text on the clipboard; returns whether that worked. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyTheOldWay(text);
  }
}

function copyTheOldWay(text) {
  const before = document.activeElement;
  const area = el("textarea", { value: text, className: "off-screen", "aria-hidden": "true" });
  (before?.closest("dialog") || document.body).append(area);
  area.select();
  let done = false;
  try {
    done = document.execCommand("copy");
  } catch {
    // The caller says that it did not work.
  }
  area.remove();
  before?.focus({ preventScroll: true });
  return done;
}

/** Make a button that copies `text`; `what` names it for those who do not see it. */
export function copyButton(text, what = "") {
  return el("button", { type: "button", className: "copy", "@data-copy": text, "aria-label": `Copy ${what || text}` });
}

/** Make all buttons with data-copy work, now and later. */
export function startCopying() {
  document.querySelectorAll("button.copy[hidden]").forEach((each) => (each.hidden = false));
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (!button) return;
    button.dataset.copied = (await copyText(button.dataset.copy)) ? "yes" : "no";
    setTimeout(() => delete button.dataset.copied, 1500);
  });
}
