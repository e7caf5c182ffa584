// The stages a task has reported, with how far it was at each.

import { el, setText } from "./dom.js";
import { visible } from "./json.js";
import { exact } from "./time.js";

const MOST = 60;

/** Collects the stages of the attempt that runs, from events in their order. */
export class Stages {
  attempt = 0;
  list = [];

  take({ attempt, stage, progress, at }) {
    if (attempt !== this.attempt) {
      this.attempt = attempt;
      this.list = [];
    }
    if (!stage) return;
    const last = this.list.at(-1);
    if (last?.stage === stage) last.progress = progress;
    else this.list.push({ stage, progress, at });
    if (this.list.length > MOST) this.list.shift();
  }

  /** Show them in a list; `running` marks the last one as under way. */
  draw(place, running) {
    while (place.children.length > this.list.length) place.lastElementChild.remove();
    this.list.forEach(({ stage, progress, at }, index) => {
      const item = place.children[index] || place.appendChild(el("li", {}, el("span", { className: "name isolate" }), " ", el("span", { className: "quiet-text" })));
      setText(item.firstElementChild, visible(stage.slice(0, 200)));
      setText(item.lastElementChild, `${Math.round(progress * 100)} %`);
      item.title = at ? exact(Date.parse(at)) : "";
      item.toggleAttribute("data-now", running && index === this.list.length - 1);
    });
  }
}
