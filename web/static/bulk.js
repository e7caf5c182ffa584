// Retries, cancels and deletes many tasks: asks with the count, then shows how far it is.
// Selected tasks are done one by one; all that fit a filter by one order (`POST /api/tasks/bulk`).

import { get, post, remove } from "./api.js";
import { confirmDialog, counted } from "./dialog.js";
import { byId, el, setText } from "./dom.js";
import { visible } from "./json.js";
import { may } from "./may.js";
import { toast } from "./toast.js";

const AT_ONCE = 6;

const ALL = {
  retry: {
    verb: "Retry",
    done: "retried",
    from: ["failed", "cancelled"],
    text: "They run again under the same ids; their earlier attempts stay in the history.",
  },
  cancel: {
    verb: "Cancel",
    done: "cancelled",
    from: ["scheduled", "queued", "running", "retrying"],
    text: "Those that wait never run; running ones are asked to stop.",
    keep: "Let them run",
    danger: true,
  },
  delete: {
    verb: "Delete",
    done: "deleted",
    from: ["succeeded", "failed", "cancelled"],
    text: "Their records, results and logs are gone for good.",
    keep: "Keep them",
    danger: true,
  },
};
/** Those that whoever is signed in may do. */
export const ACTIONS = Object.fromEntries(Object.entries(ALL).filter(([name]) => may(`task.${name}`)));

const ask = (action, number, what, more = "") => {
  const { verb, text, keep, danger } = ALL[action];
  const words = `${verb} ${counted(number, "task")}`;
  return confirmDialog({ title: `${words}?`, text: `${what}${more}${text}`, action: words, keep, danger });
};

/** Ask, then do an action on tasks by their ids; `skipped` of those selected cannot take it. */
export async function runEach(action, ids, skipped = 0) {
  const more = skipped ? `${counted(skipped, "other selected task")} cannot be ${ALL[action].done} and will be left alone. ` : "";
  if (!(await ask(action, ids.length, "", more))) return false;
  const state = { action, matched: ids.length, done: 0, changed: 0, refused: 0, errors: [], status: "running" };
  let stopped = false;
  const show = () => panel(state, () => (stopped = true));
  const waiting = [...ids];
  const one = async () => {
    while (waiting.length && !stopped) {
      const id = waiting.shift();
      try {
        await (action === "delete" ? remove(`/api/tasks/${id}`) : post(`/api/tasks/${id}/${action}`));
        state.changed += 1;
      } catch (problem) {
        state.refused += 1;
        state.errors.push({ task_id: id, detail: problem.message });
      }
      state.done += 1;
      show();
    }
  };
  show();
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  state.status = stopped && waiting.length ? "cancelled" : "done";
  show();
  tell(state);
  return true;
}

const order = (action, filter, more) =>
  JSON.stringify({ action, filter, ...(Object.keys(filter).length ? {} : { all: true }), ...more });

/** Return how many tasks fit a filter. */
export async function count(filter) {
  return JSON.parse((await post("/api/tasks/bulk", order("retry", filter, { dry_run: true }))).text).matched;
}

/** Ask, then do an action on all tasks that fit a filter; `what` says which these are. */
export async function runAll(action, filter, what) {
  for (let again = ""; ; again = "Their number has just changed. ") {
    const number = await count(filter);
    if (number === 0) {
      toast(`No task that fits can be ${ALL[action].done}.`);
      return false;
    }
    if (!(await ask(action, number, what, again))) return false;
    try {
      const { text } = await post("/api/tasks/bulk", order(action, filter, { expect: number }));
      await follow(JSON.parse(text));
      return true;
    } catch (problem) {
      if (problem.status !== 409 || (await count(filter)) === number) throw problem;
    }
  }
}

/** Show how far an operation is until it has ended. */
export async function follow(operation) {
  const path = operation.links.self;
  let known = operation;
  const stop = () => post(operation.links.cancel).catch(() => {});
  while (known.status === "running") {
    panel(known, stop);
    try {
      known = await get(`${path}?wait=0.5`);
    } catch (problem) {
      if (problem.status === 404) return;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
  panel(known, stop);
  tell(known);
}

/** Go on showing an operation that was under way when the page was opened. */
export async function resume() {
  const { operations } = await get("/api/operations");
  const running = operations.find((each) => each.status === "running");
  if (running) await follow(running);
}

function tell({ action, changed, refused, status }) {
  const words = `${counted(changed, "task")} ${ALL[action].done}`;
  const rest = refused ? `, ${refused.toLocaleString("en")} left alone` : "";
  toast(`${words}${rest}${status === "cancelled" ? "; stopped" : ""}.`, refused ? "plain" : "good");
}

let bar = null;

function panel({ action, matched, done, changed, refused, errors, status }, stop) {
  const box = byId("operation");
  if (box.hidden || !bar) {
    const meter = el("progress", { max: 1, "aria-label": "Progress of the operation" });
    bar = { meter, words: el("span", { className: "words" }), button: el("button", { type: "button" }), why: el("div", { className: "why" }) };
    box.replaceChildren(el("div", { className: "line" }, bar.words, meter, bar.button), bar.why);
    box.hidden = false;
  }
  const running = status === "running";
  bar.meter.value = matched ? done / matched : 1;
  bar.button.textContent = running ? "Stop" : "Close";
  bar.button.hidden = running && !may("operation.cancel");
  bar.button.onclick = running ? stop : () => (box.hidden = true);
  const number = (value) => value.toLocaleString("en");
  const left = refused ? `, ${number(refused)} left alone` : "";
  setText(bar.words, `${number(changed)} of ${counted(matched, "task")} ${ALL[action].done}${left}${status === "cancelled" ? " (stopped)" : ""}`);
  bar.why.replaceChildren(...reasons(errors, refused));
}

function reasons(errors, refused) {
  if (!errors.length) return [];
  const items = errors.slice(0, 20).map(({ task_id, detail }) =>
    el("li", {}, el("a", { href: `/tasks/${task_id}`, textContent: task_id.slice(-12) }), ` ${visible(detail)}`),
  );
  return [el("details", {}, el("summary", { textContent: `Why ${counted(refused, "task")} were left alone` }), el("ul", {}, ...items))];
}
