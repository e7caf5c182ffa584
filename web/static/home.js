// Puts the first page together: the form, the newest tasks, the counts, the charts.

import { get } from "./api.js";
import * as charts from "./charts.js";
import * as counts from "./counts.js";
import * as form from "./form.js";
import * as newest from "./newest.js";
import { AllStream } from "./stream.js";
import { follow } from "./submitted.js";

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

async function offer() {
  for (;;) {
    try {
      form.start((await get("/api/task-types")).task_types, follow);
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
}

watch();
charts.start();
offer();
