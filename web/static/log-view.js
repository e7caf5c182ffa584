// The log of a task, by attempt. It follows the newest line unless somebody has scrolled up.

import { el } from "./dom.js";
import { longText } from "./long-text.js";
import { batched } from "./stream.js";
import { exact } from "./time.js";

/** Lines that are shown; the server keeps as many. */
const MOST = 1000;
const LEVELS = { debug: "debug", info: "info", warning: "warning", error: "error", critical: "error" };
const NEAR = 24;

/** Shows lines in `place`; `options.most` of them, and options.onChange(lines, following) after each drawing. */
export class LogView {
  count = 0;
  following = true;
  #place;
  #options;
  #waiting = [];
  #attempt = 0;
  #draw = batched(() => this.#render());

  constructor(place, options = {}) {
    this.#place = place;
    this.#options = { most: MOST, headings: true, onChange: () => {}, ...options };
    place.addEventListener("scroll", () => {
      const following = place.scrollTop + place.clientHeight >= place.scrollHeight - NEAR;
      if (following === this.following) return;
      this.following = following;
      this.#options.onChange(this.count, following);
    });
  }

  /** Take an event of kind log or gap. */
  add(message) {
    this.#waiting.push(message);
    this.#draw();
  }

  follow() {
    this.following = true;
    this.#place.scrollTop = this.#place.scrollHeight;
    this.#options.onChange(this.count, true);
  }

  #render() {
    const fragment = document.createDocumentFragment();
    for (const message of this.#waiting.splice(0)) fragment.append(...this.#lines(message));
    this.#place.querySelector(".empty")?.remove();
    this.#place.append(fragment);
    const lines = this.#place.querySelectorAll(".line");
    for (let n = 0; n < lines.length - this.#options.most; n += 1) lines[n].remove();
    if (this.following) this.#place.scrollTop = this.#place.scrollHeight;
    this.#options.onChange(this.count, this.following);
  }

  #lines(message) {
    if (message.kind === "gap") return [el("p", { className: "gap", textContent: "Older lines and events are no longer kept." })];
    this.count += 1;
    const made = [];
    if (this.#options.headings && message.attempt !== this.#attempt) {
      this.#attempt = message.attempt;
      made.push(el("p", { className: "attempt", textContent: `Attempt ${message.attempt}` }));
    }
    const level = LEVELS[message.level.toLowerCase()] || "info";
    const time = el("time", { "@datetime": message.at, textContent: message.at.slice(11, 23), title: exact(Date.parse(message.at)) });
    made.push(el("p", { className: "line", "@data-level": level, "@data-version": String(message.version) }, time, el("span", { className: "level", textContent: level }), longText(message.message, 1000)));
    return made;
  }
}
