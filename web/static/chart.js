// Small charts in SVG, drawn by hand: bars stacked by minute, and lines on a logarithmic scale. What they
// show is also in a table for those who do not see it, and said in words where the pointer is.

import { el } from "./dom.js";

const HEIGHT = 150;
const LEFT = 52;
const RIGHT = 6;
const TOP = 8;
const BOTTOM = 20;
const PLOT = HEIGHT - TOP - BOTTOM;

const svg = (tag, attributes, ...children) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};

export const clock = (at) =>
  new Date(at).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** The next of 1, 2, 5, 10, 20, … that is not below a number; at least 4, so that the ticks are whole. */
function nice(number) {
  const power = 10 ** Math.floor(Math.log10(Math.max(number, 1)));
  return Math.max(4, [1, 2, 4, 10].find((each) => each * power >= number) * power);
}

/** Ticks of a linear scale from 0: [value, share of the height]. */
function linear(most) {
  const top = nice(most);
  return { place: (value) => value / top, ticks: [0, top / 4, top / 2, (top / 4) * 3, top].filter((_, at) => at % 2 === 0) };
}

/** A logarithmic scale over whole powers of ten. */
function logarithmic(least, most) {
  const low = Math.floor(Math.log10(least) + 1e-9);
  const high = Math.max(low + 2, Math.ceil(Math.log10(most) - 1e-9));
  const step = Math.ceil((high - low) / 4);
  const ticks = [];
  for (let power = low; power <= high; power += step) ticks.push(10 ** power);
  return { place: (value) => (Math.log10(value) - low) / (high - low), ticks };
}

/**
 * Make a chart in `place`.
 *
 * about: {title, kind: "bars" | "lines", series: [{name, label, value(minute) → number | null}],
 *   format(number) → text, tick(number) → short text (default: format), say(minute) → text, said: the element that says what the pointer is at}
 * Returns show(minutes); each minute has `minute`, a time.
 */
export function makeChart(place, about) {
  let minutes = [];
  let width = 0;
  const legend = el("p", { className: "legend", "aria-hidden": "true" });
  legend.append(...about.series.map((each) => el("span", { "@data-series": each.name, textContent: each.label })));
  const picture = el("div", { className: "picture" });
  const table = el("div", { className: "visually-hidden" });
  place.replaceChildren(picture, legend, table);

  const draw = () => {
    if (width === 0 || minutes.length === 0) return;
    picture.replaceChildren(paint(about, minutes, width));
  };
  new ResizeObserver(([entry]) => {
    const now = Math.round(entry.contentRect.width);
    if (now === width) return;
    width = now;
    draw();
  }).observe(picture);

  const point = (event) => {
    const left = picture.getBoundingClientRect().left + LEFT;
    const at = Math.floor(((event.clientX - left) / (width - LEFT - RIGHT)) * minutes.length);
    const marked = picture.querySelector(".mark");
    if (!minutes[at] || !marked) return leave();
    const step = (width - LEFT - RIGHT) / minutes.length;
    marked.setAttribute("x", LEFT + at * step);
    marked.setAttribute("width", step);
    about.said.textContent = `${clock(minutes[at].minute)} · ${about.say(minutes[at])}`;
  };
  const leave = () => {
    picture.querySelector(".mark")?.setAttribute("width", 0);
    about.said.textContent = about.summary(minutes);
  };
  picture.addEventListener("pointermove", point);
  picture.addEventListener("pointerdown", point);
  picture.addEventListener("pointerleave", leave);

  return (found) => {
    minutes = found;
    draw();
    if (!picture.matches(":hover")) leave();
    table.replaceChildren(asTable(about, minutes));
  };
}

function paint(about, minutes, width) {
  const plot = width - LEFT - RIGHT;
  const step = plot / minutes.length;
  const values = minutes.map((minute) => about.series.map((each) => each.value(minute)));
  const flat = values.flat().filter((value) => value !== null && value > 0);
  const bars = about.kind === "bars";
  const scale = bars
    ? linear(Math.max(0, ...values.map((each) => each.reduce((sum, value) => sum + value, 0))))
    : logarithmic(flat.length ? Math.min(...flat) : 0.001, flat.length ? Math.max(...flat) : 1);
  const y = (value) => TOP + PLOT * (1 - Math.min(1, Math.max(0, scale.place(value))));
  const picture = svg("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": `${about.title}. ${about.summary(minutes)}` });
  for (const tick of scale.ticks) {
    const at = y(tick);
    picture.append(svg("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: at, y2: at }));
    picture.append(svg("text", { class: "tick", x: LEFT - 7, y: at + 4, "text-anchor": "end" }, (about.tick || about.format)(tick)));
  }
  minutes.forEach(({ minute }, at) => {
    if (new Date(minute).getMinutes() % 15 !== 0) return;
    const x = LEFT + (at + 0.5) * step;
    const anchor = x > width - 30 ? "end" : "middle";
    picture.append(svg("text", { class: "tick", x: Math.min(x, width - RIGHT), y: HEIGHT - 4, "text-anchor": anchor }, clock(minute)));
  });
  picture.append(svg("rect", { class: "mark", x: 0, y: TOP, width: 0, height: PLOT }));
  if (bars) picture.append(...stacks(about.series, values, step, y));
  else about.series.forEach((each, n) => picture.append(line(each.name, values.map((row) => row[n]), step, y)));
  if (!flat.length) picture.append(svg("text", { class: "nothing", x: LEFT + plot / 2, y: TOP + PLOT / 2, "text-anchor": "middle" }, "Nothing ended in the last hour"));
  return picture;
}

function stacks(series, values, step, y) {
  const made = [];
  const wide = Math.max(1, step - Math.max(1, step * 0.25));
  values.forEach((row, at) => {
    let below = 0;
    series.forEach((each, n) => {
      if (!row[n]) return;
      const top = y(below + row[n]);
      const x = LEFT + at * step + (step - wide) / 2;
      made.push(svg("rect", { class: "bar", "data-series": each.name, x, y: top, width: wide, height: Math.max(1, y(below) - top) }));
      below += row[n];
    });
  });
  return made;
}

function line(name, values, step, y) {
  const group = svg("g", { class: "line", "data-series": name });
  let path = "";
  values.forEach((value, at) => {
    if (value === null) return;
    const x = LEFT + (at + 0.5) * step;
    const joined = at > 0 && values[at - 1] !== null;
    path += `${joined ? "L" : "M"}${x.toFixed(1)} ${y(value).toFixed(1)}`;
    const alone = !joined && (values[at + 1] ?? null) === null;
    if (alone) group.append(svg("circle", { cx: x, cy: y(value), r: 2.5 }));
  });
  group.append(svg("path", { d: path }));
  return group;
}

function asTable(about, minutes) {
  const head = el("tr", {}, el("th", { scope: "col", textContent: "Minute" }), ...about.series.map((each) => el("th", { scope: "col", textContent: each.label })));
  const body = el("tbody");
  for (const minute of minutes) {
    const values = about.series.map((each) => each.value(minute));
    if (values.every((value) => !value)) continue;
    const cells = values.map((value) => el("td", { textContent: value === null ? "–" : about.format(value) }));
    body.append(el("tr", {}, el("th", { scope: "row", textContent: clock(minute.minute) }), ...cells));
  }
  return el("table", {}, el("caption", { textContent: `${about.title}; other minutes had nothing` }), el("thead", {}, head), body);
}
