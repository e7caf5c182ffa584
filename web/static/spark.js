// A small chart of what came in (a line) and what ended (bars), minute by minute.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 240;
const HEIGHT = 36;

const svg = (tag, attributes) => {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
};

/** Make the chart; each minute has `in` and `out`, numbers of tasks. */
export function spark(minutes, label) {
  const picture = svg("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label });
  const most = Math.max(1, ...minutes.flatMap((each) => [each.in, each.out]));
  const step = WIDTH / minutes.length;
  const y = (value) => HEIGHT - 1 - (value / most) * (HEIGHT - 3);
  minutes.forEach(({ out }, at) => {
    if (out) picture.append(svg("rect", { class: "out", x: at * step + 0.5, y: y(out), width: step - 1, height: HEIGHT - y(out) }));
  });
  const points = minutes.map((each, at) => `${((at + 0.5) * step).toFixed(1)},${y(each.in).toFixed(1)}`);
  picture.append(svg("polyline", { class: "in", points: points.join(" ") }));
  return picture;
}
