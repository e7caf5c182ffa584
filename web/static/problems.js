// What is wrong with the installation, on the first page: the list of GET /api/health, which is empty when
// all is well. An entry goes when its cause does.

import { get } from "./api.js";
import { counted } from "./dialog.js";
import { byId, el, prose, setText } from "./dom.js";
import { visible } from "./json.js";
import { keyed } from "./keyed.js";
import { poll } from "./poll.js";
import { timeElement } from "./time.js";

const EVERY_MS = 3000;
/** Beginnings of ids, and the page that shows more. */
const PAGES = [
  ["queue-", "/queues", "Queues"],
  ["worker", "/workers", "Workers"],
  ["failing:", "/failed", "Failed"],
  ["dead-letters", "/failed", "Failed"],
];

/** Show them, and look again and again. */
export function start() {
  poll(read, EVERY_MS);
}

async function read() {
  const { problems, not_checked: unknown } = await get("/api/health");
  const box = byId("problems");
  setText(byId("problems-sum"), problems.length ? summary(problems, unknown) : "");
  keyed(byId("problem-list"), problems, (each) => each.id, item);
  box.hidden = problems.length === 0;
}

function summary(problems, unknown) {
  const words = ["critical", "warning", "info"].map((each) => [each, problems.filter(({ severity }) => severity === each).length]);
  const parts = words.filter(([, number]) => number).map(([each, number]) => (each === "info" ? counted(number, "note") : each === "critical" ? `${number} critical` : counted(number, each)));
  return parts.join(", ") + (unknown.length ? `; not looked at: ${unknown.join(", ")}` : "");
}

function item({ id, severity, title, detail, what_to_do: advice, since }) {
  const page = PAGES.find(([start]) => id.startsWith(start));
  const sign = id.startsWith("queue-paused:") ? "paused" : severity;
  return el(
    "li",
    { "@data-severity": severity },
    el("div", { className: "line" }, el("span", { className: "sign", textContent: sign }), el("strong", { textContent: visible(title) }), since ? el("span", { className: "quiet-text" }, "for ", timeElement(since, "age")) : null),
    el("p", { textContent: visible(detail) }),
    el("p", { className: "todo" }, ...prose(visible(advice)), ...(page ? [" ", el("a", { href: page[1], textContent: page[2] })] : [])),
  );
}
