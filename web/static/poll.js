// Reads something again and again while somebody looks at the page; pages without a stream use it.

import { connection } from "./api.js";

/** The longest pause after a slow answer: one may have been slow because this page itself was busy. */
const SLOW_MS = 15_000;

/** Call `read` now and then every `everyMs`, longer while it fails or is slow. Returns a function to do it at once. */
export function poll(read, everyMs) {
  const sign = {};
  let timer = null;
  let failures = 0;
  let busy = false;
  const again = async () => {
    clearTimeout(timer);
    if (busy) return;
    busy = true;
    const began = performance.now();
    try {
      await read();
      failures = 0;
      document.getElementById("waiting")?.remove();
    } catch {
      failures += 1;
    }
    busy = false;
    connection.tellStream(sign, failures ? "lost" : "live");
    const slow = Math.min(5 * (performance.now() - began), SLOW_MS);
    const wait = Math.max(everyMs * 2 ** Math.min(failures, 2), slow);
    if (!document.hidden) timer = setTimeout(again, wait);
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clearTimeout(timer);
    else again();
  });
  window.addEventListener("online", again);
  again();
  return again;
}
