// Streams of events that survive lost connections: reconnect with backoff, go on after the last event.
// A page that nobody sees closes its streams (a browser has six connections to a server) and goes on later.

import { connection, request } from "./api.js";
import { isTerminal } from "./badges.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;
/** How long a page is hidden before its streams are closed. */
const HIDDEN_MS = 20000;
const KINDS = ["state", "progress", "log", "gap"];

/**
 * One stream. `on` may have
 *   event(message)   each event once, in order; message.kind is state, progress, log or gap
 *   state(name)      connecting · live · lost · paused · ended · gone
 *   resumed()        after a break in a stream that cannot resume (`/api/events`): look again
 */
class Stream {
  #source = null;
  #timer = null;
  #wait = FIRST_WAIT_MS;
  #hidden = null;
  #over = false;
  #broken = false;
  #ending = null;
  #seen = () => this.#visibility();

  constructor(on) {
    this.on = on;
    document.addEventListener("visibilitychange", this.#seen);
    window.addEventListener("online", this.#seen);
    // The page's own first requests come before it, and it may be closed again at once.
    queueMicrotask(() => this.#open());
  }

  /** End it for good. */
  close(state = "ended") {
    if (this.#over) return;
    this.#over = true;
    this.#drop();
    clearTimeout(this.#timer);
    clearTimeout(this.#hidden);
    document.removeEventListener("visibilitychange", this.#seen);
    window.removeEventListener("online", this.#seen);
    connection.tellStream(this, null);
    this.on.state?.(state);
  }

  #open() {
    if (this.#over || this.#source) return;
    clearTimeout(this.#timer);
    this.#timer = null;
    this.#tell(this.#broken ? "lost" : "connecting");
    const source = this.connect({
      opened: () => source === this.#source && this.#opened(),
      event: (message) => source === this.#source && this.#take(message),
      failed: () => source === this.#source && this.#failed(),
    });
    this.#source = source;
  }

  #opened() {
    this.#wait = FIRST_WAIT_MS;
    this.#tell("live");
    if (this.#broken) this.on.resumed?.();
    this.#broken = false;
  }

  #take(message) {
    if (this.accept(message)) this.on.event(message);
    // A task that was retried has more events behind this one; else the stream closes itself here.
    if (this.ends(message)) this.#ending = this.isGone().finally(() => (this.#ending = null));
  }

  async #failed() {
    this.#drop();
    await this.#ending;
    if (this.#over || this.#source) return;
    this.#broken = true;
    this.#tell("lost");
    const wait = this.#wait * (0.75 + Math.random() / 2);
    this.#wait = Math.min(this.#wait * 2, LONGEST_WAIT_MS);
    this.#timer = setTimeout(() => this.#open(), wait);
    if (await this.isGone()) this.close("gone");
  }

  #drop() {
    const source = this.#source;
    this.#source = null;
    source?.close();
  }

  #visibility() {
    clearTimeout(this.#hidden);
    if (document.hidden) {
      this.#hidden = setTimeout(() => {
        if (!this.#source) return;
        this.#drop();
        this.#broken = true;
        this.#tell("paused");
      }, HIDDEN_MS);
    } else if (!this.#source) {
      this.#open();
    }
  }

  #tell(state) {
    if (this.#over) return;
    connection.tellStream(this, state === "connecting" ? "idle" : state);
    this.on.state?.(state);
  }
}

function eventSource(path, { opened, event, failed }) {
  const source = new EventSource(path);
  source.addEventListener("open", opened);
  source.addEventListener("error", failed); // its own reconnecting knows no backoff, and not where to go on
  for (const kind of KINDS) source.addEventListener(kind, (each) => event({ ...JSON.parse(each.data), kind }));
  return source;
}

function webSocket(path, { opened, event, failed }) {
  const socket = new WebSocket(location.origin.replace(/^http/, "ws") + path);
  socket.addEventListener("open", opened);
  socket.addEventListener("close", failed);
  socket.addEventListener("message", (each) => event(JSON.parse(each.data)));
  return socket;
}

/**
 * Follows one task from version `after` until it has ended. `socket` uses a WebSocket: for pages that follow
 * many tasks, because a browser opens six plain connections to a server at most.
 */
export class TaskStream extends Stream {
  constructor(id, on, { after = 0, socket = false } = {}) {
    super(on);
    this.id = id;
    this.after = after;
    this.socket = socket;
  }

  connect(on) {
    const resume = `?after=${this.after}`;
    return this.socket
      ? webSocket(`/ws/tasks/${this.id}${resume}`, on)
      : eventSource(`/api/tasks/${this.id}/events${resume}`, on);
  }

  accept(message) {
    const version = message.kind === "gap" ? message.last : message.version;
    if (version <= this.after) return false;
    this.after = version;
    return true;
  }

  ends(message) {
    return message.kind === "state" && isTerminal(message.status);
  }

  /** Tell whether the task is unknown, or ended with all of it seen: a stream only says that it failed. */
  async isGone() {
    try {
      const { text } = await request(`/api/tasks/${this.id}`);
      const task = JSON.parse(text);
      if (isTerminal(task.status) && task.version <= this.after) this.close();
      return false;
    } catch (problem) {
      return problem.status === 404 || problem.status === 422;
    }
  }
}

/** Follows all tasks from now on; `query` is a filter such as "?type=reverse_text", or "". */
export class AllStream extends Stream {
  constructor(on, query = "") {
    super(on);
    this.path = `/api/events${query}`;
  }

  connect(on) {
    return eventSource(this.path, on);
  }

  accept() {
    return true;
  }

  ends() {
    return false;
  }

  async isGone() {
    await request("/api/whoami").catch(() => {});
    return false;
  }
}

/**
 * Return a function that asks for `render` to be called: in an animation frame, and at most ten times a
 * second however often it is asked.
 */
export function batched(render, everyMs = 100) {
  let last = -everyMs;
  let asked = false;
  const run = () => {
    asked = false;
    last = performance.now();
    render();
  };
  return () => {
    if (asked) return;
    asked = true;
    const wait = last + everyMs - performance.now();
    if (wait > 0) setTimeout(() => requestAnimationFrame(run), wait);
    else requestAnimationFrame(run);
  };
}
