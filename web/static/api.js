// Talks to the server. Everything that goes wrong becomes a Problem; whether the server can be reached is
// told to whoever listens to `connection`. Answers stay text: see json.js for numbers that must stay exact.

import { setClock } from "./time.js";

export class Problem extends Error {
  /** `status` is 0 when there was no answer at all; `body` is the problem+json, or {}. */
  constructor(status, body) {
    super(body.detail || body.title || `the server answered ${status}`);
    this.status = status;
    this.body = body;
    this.title = body.title || "The request failed";
    this.errors = Array.isArray(body.errors) ? body.errors : [];
    this.requestId = body.request_id || "";
  }
}

/** Fires "change". `trouble` is "" or a sentence for people; `state` is idle, live, paused or lost. */
class Connection extends EventTarget {
  trouble = "";
  #streams = new Map();

  get state() {
    const states = [...this.#streams.values()];
    return ["lost", "live", "paused"].find((each) => states.includes(each)) || "idle";
  }

  tell(trouble) {
    if (trouble === this.trouble) return;
    this.trouble = trouble;
    this.dispatchEvent(new Event("change"));
  }

  /** A stream says how it does; null: it has ended. */
  tellStream(stream, state) {
    if (state === null) this.#streams.delete(stream);
    else this.#streams.set(stream, state);
    this.dispatchEvent(new Event("change"));
  }
}

export const connection = new Connection();

/** The page's own token: without it the server takes no change from a signed-in browser. */
const csrf = document.querySelector('meta[name="csrf"]')?.content;
const SAFE = ["GET", "HEAD"];

/** Go where one signs in, and come back here afterwards. */
function signIn() {
  location.assign(`/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`);
}

/** Milliseconds until an answer has to be there: a server that vanished says nothing at all. */
const ANSWER_MS = 30_000;

/** Return a signal that aborts with another one, and after a time; and what to call when it is not needed any more. */
function limited(signal, afterMs) {
  const own = new AbortController();
  const late = () => own.abort(new DOMException("no answer in time", "TimeoutError"));
  const timer = Number.isFinite(afterMs) ? setTimeout(late, afterMs) : null;
  signal?.addEventListener("abort", () => own.abort(signal.reason));
  return [own.signal, () => clearTimeout(timer)];
}

/**
 * Send a request. Returns {status, text, headers}; a 304 is an answer, other errors are thrown as Problem.
 * Options are those of fetch, and `afterMs`: how long it may take, Infinity for what is large.
 */
export async function request(path, { afterMs = ANSWER_MS, ...options } = {}) {
  let response;
  let text;
  const [signal, settled] = limited(options.signal, afterMs);
  try {
    const changes = csrf && !SAFE.includes(options.method || "GET");
    const headers = changes ? { ...options.headers, "X-CSRF-Token": csrf } : options.headers;
    response = await fetch(path, { cache: "no-store", ...options, headers, signal });
    text = await response.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    connection.tell("The server cannot be reached. Trying again…");
    throw new Problem(0, { title: "No answer", detail: "the server cannot be reached" });
  } finally {
    settled();
  }
  setClock(response.headers.get("Date"));
  if (response.ok || response.status === 304) {
    connection.tell("");
    return { status: response.status, text, headers: response.headers };
  }
  const problem = new Problem(response.status, parsed(text));
  if (response.status === 401) signIn();
  if (path === "/readyz") problem.message = reasons(problem.body) || problem.message;
  connection.tell(response.status === 503 ? `Callboard is not ready: ${problem.message.replace(/\.$/, "")}. Trying again…` : "");
  throw problem;
}

/** Return why Callboard is not ready, of the answer of /readyz. */
function reasons(body) {
  return Object.values(body).map((each) => each?.problem).filter(Boolean).join("; ");
}

function parsed(text) {
  try {
    const body = JSON.parse(text);
    return body && typeof body === "object" ? body : {};
  } catch {
    return {};
  }
}

const JSON_HEADERS = { "Content-Type": "application/json" };

/** Return the JSON at an address as values; for what holds no numbers of unlimited size. */
export async function get(path, options = {}) {
  return JSON.parse((await request(path, options)).text);
}

/** Post a body given as JSON text, or nothing. */
export function post(path, body) {
  return request(path, body === undefined ? { method: "POST" } : { method: "POST", headers: JSON_HEADERS, body });
}

/** Replace what is at an address by a body given as JSON text, if it is still of the version `etag`. */
export function put(path, body, etag) {
  return request(path, { method: "PUT", headers: { ...JSON_HEADERS, "If-Match": etag }, body });
}

export const remove = (path) => request(path, { method: "DELETE" });

/** Submit a body, given as text. Repeating it with the same key is harmless. */
export function submit(body, key) {
  return request("/api/tasks", { method: "POST", headers: { ...JSON_HEADERS, "Idempotency-Key": key }, body });
}

/** Return a key for one submit; crypto.randomUUID is missing where the page came by plain HTTP. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
