// The two charts of the first page: what ended in each of the last 60 minutes, and how long it took.

import { get } from "./api.js";
import { makeChart } from "./chart.js";
import { byId } from "./dom.js";
import { duration } from "./time.js";

/** Milliseconds between two looks while tasks end, and while nothing is heard. */
const SOON_MS = 5000;
const LATE_MS = 30000;

const OUTCOMES = [
  ["succeeded", "succeeded"],
  ["retrying", "will be retried"],
  ["cancelled", "cancelled"],
  ["failed", "failed"],
];
const spell = (seconds) => duration(seconds * 1000);
const sum = (minutes, name) => minutes.reduce((whole, each) => whole + each[name], 0);
const count = (number) => number.toLocaleString("en");

const throughput = {
  title: "Runs that ended, by minute",
  kind: "bars",
  series: OUTCOMES.map(([name, label]) => ({ name, label, value: (minute) => minute[name] })),
  format: count,
  say: (minute) => OUTCOMES.filter(([name]) => minute[name]).map(([name, label]) => `${count(minute[name])} ${label}`).join(", ") || "nothing ended",
  summary: (minutes) => `${count(sum(minutes, "succeeded"))} succeeded, ${count(sum(minutes, "failed"))} failed in ${minutes.length} min`,
};

const latency = {
  title: "How long tasks ran and waited, by minute",
  kind: "lines",
  series: [
    { name: "run95", label: "run p95", value: (minute) => minute.run.p95 },
    { name: "run50", label: "run p50", value: (minute) => minute.run.p50 },
    { name: "wait95", label: "wait p95", value: (minute) => minute.wait.p95 },
  ],
  format: (seconds) => spell(seconds).replace(".0 ", " "),
  tick: (seconds) => (seconds < 1 ? spell(seconds) : `${count(seconds)} s`),
  say: ({ run, wait }) => (run.p50 === null ? "nothing ended" : `run ${spell(run.p50)}, p95 ${spell(run.p95)}; wait p95 ${spell(wait.p95)}`),
  summary: () => words,
};
/** What the latency chart says of the whole hour. */
let words = "";

let show = null;
let timer = null;
let due = 0;

/** Draw for the first time, and again from time to time. */
export function start() {
  const bars = makeChart(byId("throughput"), { ...throughput, said: byId("throughput-sum") });
  const lines = makeChart(byId("latency"), { ...latency, said: byId("latency-sum") });
  show = ({ minutes, types }) => {
    words = slowest(types);
    bars(minutes);
    lines(minutes);
  };
  document.addEventListener("visibilitychange", () => document.hidden || look(0));
  look(0);
}

/** Something has ended. */
export const stale = () => look(SOON_MS);

function slowest(types) {
  const [name, found] = Object.entries(types).sort(([, a], [, b]) => b.run.p95 - a.run.p95)[0] || [];
  return name ? `slowest: ${name}, p95 ${spell(found.run.p95)}` : "";
}

function look(inMs) {
  const at = performance.now() + inMs;
  if (timer !== null && due <= at) return;
  clearTimeout(timer);
  due = at;
  timer = setTimeout(async () => {
    timer = null;
    const found = document.hidden ? null : await get("/api/stats").catch(() => null);
    if (found) show(found);
    look(LATE_MS);
  }, inMs);
}
