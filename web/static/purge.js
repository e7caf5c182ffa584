// Cancels what waits in a queue: asks with the number, which the server compares with what it finds.

import { post } from "./api.js";
import { count, follow } from "./bulk.js";
import { counted } from "./dialog.js";
import { el, setText } from "./dom.js";
import { visible } from "./json.js";
import { toast } from "./toast.js";

const WAITING = ["queued"];
const DELAYED = ["scheduled", "retrying"];

/** Ask, then purge; resolves when that has ended, or was not wanted. */
export async function purge(name) {
  for (let again = ""; ; again = "Their number has just changed. ") {
    const numbers = await Promise.all([WAITING, DELAYED].map((status) => count({ queue: [name], status })));
    if (numbers[0] + numbers[1] === 0) {
      toast(`Nothing waits in ${visible(name)}.`);
      return;
    }
    const order = await ask(name, numbers, again);
    if (!order) return;
    try {
      const { text } = await post(`/api/queues/${encodeURIComponent(name)}/purge`, JSON.stringify(order));
      await follow(JSON.parse(text));
      return;
    } catch (problem) {
      if (problem.status !== 409 || !problem.message.includes("expected")) throw problem;
    }
  }
}

/** Ask what to cancel; resolves to the body of the request, or null. */
function ask(name, [waiting, delayed], again) {
  const also = el("input", { type: "checkbox", id: "purge-delayed", checked: waiting === 0, disabled: delayed === 0 });
  const agree = el("button", { type: "submit", value: "yes", className: "danger" });
  const keep = el("button", { type: "submit", value: "no", textContent: "Keep them", autofocus: true });
  const number = () => waiting + (also.checked ? delayed : 0);
  const say = () => {
    setText(agree, `Cancel ${counted(number(), "task")}`);
    agree.disabled = number() === 0;
  };
  also.addEventListener("change", say);
  say();
  const form = el(
    "form",
    { method: "dialog" },
    el("h2", { id: "purge-title", textContent: `Purge ${visible(name)}?` }),
    el("p", { textContent: `${again}The ${counted(waiting, "task")} waiting in it will never run. They stay in the list as cancelled; running ones go on.` }),
    el("p", {}, also, " ", el("label", { htmlFor: "purge-delayed", textContent: `Also ${counted(delayed, "delayed task")}` })),
    el("div", { className: "buttons end" }, keep, agree),
  );
  const dialog = el("dialog", { "aria-labelledby": "purge-title" }, form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue === "yes" ? { expect: number(), include_delayed: also.checked } : null);
      dialog.remove();
    });
  });
}
