// Follows one task until it has ended: a long poll for the end, and a light poll for what happens before.

import { request } from "./api.js";

/** Seconds the server may hold the long poll. */
const HOLD = 25;
/** Milliseconds between light polls of a running task, of a waiting one, and after trouble. */
const RUNNING = 700;
const WAITING = 2000;
const TROUBLE = 3000;

const TERMINAL = ["succeeded", "failed", "cancelled"];

export const ended = (task) => TERMINAL.includes(task.status);

/** Follow a task; `onChange(text, task)` for each new version, `onGone(problem)` once when it is unknown. */
export class Watch {
  constructor(id, onChange, onGone) {
    this.path = `/api/tasks/${id}`;
    this.onChange = onChange;
    this.onGone = onGone;
    this.version = 0;
    this.status = "queued";
    this.abort = new AbortController();
    this.run();
  }

  stop() {
    this.abort.abort();
  }

  async run() {
    await this.look("");
    await Promise.allSettled([this.hold(), this.poll()]);
  }

  async hold() {
    while (!this.abort.signal.aborted) {
      // Browsers open six connections to a server: pages that nobody sees must not hold them.
      if (document.hidden) await this.pause(WAITING);
      else await this.look(`?wait=${HOLD}`);
    }
  }

  async poll() {
    while (!this.abort.signal.aborted) {
      await this.pause(this.status === "running" ? RUNNING : WAITING);
      if (!document.hidden) await this.look("");
    }
  }

  async look(query) {
    if (this.abort.signal.aborted) return;
    try {
      const headers = query || !this.version ? {} : { "If-None-Match": `"${this.version}"` };
      const { status, text } = await request(this.path + query, { headers, signal: this.abort.signal });
      if (status !== 304) this.take(text);
    } catch (error) {
      if (this.abort.signal.aborted) return;
      if (error.status === 404 || error.status === 422) {
        this.stop();
        this.onGone(error);
      } else {
        await this.pause(TROUBLE);
      }
    }
  }

  /** Show a task unless a newer version of it is shown already. */
  take(text) {
    const task = JSON.parse(text);
    if (task.version > this.version) {
      this.version = task.version;
      this.status = task.status;
      this.onChange(text, task);
    }
    if (ended(task)) this.stop();
  }

  pause(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.abort.signal.addEventListener("abort", () => {
        clearTimeout(timer);
        resolve();
      }, { once: true });
    });
  }
}
