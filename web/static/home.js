// Puts the first page together: the form, the newest tasks, the counts, the charts.

import { get, request } from "./api.js";
import * as charts from "./charts.js";
import * as counts from "./counts.js";
import * as form from "./form.js";
import { may } from "./may.js";
import * as newest from "./newest.js";
import * as problems from "./problems.js";
import { AllStream } from "./stream.js";
import { follow } from "./submitted.js";
import { toast } from "./toast.js";

const AGAIN_MS = 2000;

function watch() {
  const look = () => {
    newest.refresh().catch(() => {});
    counts.stale();
  };
  newest.start();
  new AllStream({
    event(message) {
      newest.take(message);
      if (message.kind !== "state") return;
      counts.stale();
      charts.stale();
    },
    // What happened between the page and its stream, or while the stream was broken, is not repeated.
    state: (name) => name === "live" && look(),
  });
}

/** Return the task that is to be run again with changes ("/?again=id") as text, or nothing. */
async function earlier() {
  const id = new URLSearchParams(location.search).get("again");
  if (!id) return undefined;
  history.replaceState(null, "", "/#submit"); // what is typed now is newer than the task
  try {
    return (await request(`/api/tasks/${encodeURIComponent(id)}`)).text;
  } catch (problem) {
    toast(`The task to run again cannot be read: ${problem.message}`, "bad");
    return undefined;
  }
}

async function offer() {
  for (;;) {
    try {
      const { task_types: types } = await get("/api/task-types");
      form.start(types, follow, await earlier());
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

watch();
charts.start();
problems.start();
if (may("task.submit")) offer();
