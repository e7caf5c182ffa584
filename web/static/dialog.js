// Asks before something that cannot be taken back.

import { el } from "./dom.js";

let count = 0;

/**
 * Ask; resolves to true when the user agrees. `action` is the words on the button, with the count in them
 * ("Delete 12 tasks"), `keep` those on the other; `danger` colours it.
 */
export function confirmDialog({ title, text = "", action, keep = "Cancel", danger = false }) {
  const id = `dialog-${(count += 1)}`;
  const agree = el("button", { type: "submit", value: "yes", className: danger ? "danger" : "primary", textContent: action });
  const cancel = el("button", { type: "submit", value: "no", textContent: keep });
  cancel.autofocus = danger;
  const buttons = el("div", { className: "buttons end" }, cancel, agree);
  const form = el("form", { method: "dialog" }, el("h2", { id, textContent: title }), text && el("p", { textContent: text }), buttons);
  const dialog = el("dialog", { "aria-labelledby": id }, form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue === "yes");
      dialog.remove();
    });
  });
}

/** Return "1 task", "12 tasks". */
export const counted = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
