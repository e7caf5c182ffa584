// Says on a task's page that the task waits because its queue is paused.

import { get } from "./api.js";
import { el } from "./dom.js";
import { visible } from "./json.js";

const EVERY_MS = 3000;

/** Keep `place` true; `waiting()` returns the name of the queue in which the task waits, or nothing. */
export function watchPause(place, waiting) {
  const look = async () => {
    const name = document.hidden ? undefined : waiting();
    if (name === undefined) {
      if (!document.hidden) place.hidden = true;
      return;
    }
    // A key that may see only its own tasks is not told; the task waits all the same.
    const queue = await get(`/api/queues/${encodeURIComponent(name)}`).catch(() => null);
    const paused = Boolean(queue?.paused && waiting() === name);
    if (paused && place.hidden) place.replaceChildren("Waits: the queue ", el("a", { href: "/queues", textContent: visible(name) }), " is paused.");
    place.hidden = !paused;
  };
  setInterval(look, EVERY_MS);
  return look;
}
