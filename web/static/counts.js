// Counts by state: read again, at most once a second, while events say that something changes.

import { get } from "./api.js";
import { byId, setText } from "./dom.js";

const EVERY_MS = 1000;
let timer = null;
let last = 0;

/** Something may have changed. */
export function stale() {
  if (timer !== null || document.hidden) return;
  timer = setTimeout(async () => {
    await read().catch(() => {});
    last = performance.now();
    timer = null;
  }, Math.max(50, last + EVERY_MS - performance.now()));
}

async function read() {
  const { counts } = await get("/api/stats?minutes=1");
  for (const link of byId("counts").querySelectorAll("a")) {
    setText(link.firstElementChild, counts[link.dataset.status].toLocaleString("en"));
  }
}
