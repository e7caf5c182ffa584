// Small bars of parts, as SVG: their widths are attributes, which a strict CSP allows.

const SVG = "http://www.w3.org/2000/svg";

/** Make a bar; `parts` are [name, number], `whole` is what fills all of it. */
export function bars(parts, whole, label, className = "bar-of") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", className);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  let at = 0;
  for (const [name, number] of parts) {
    const width = whole > 0 ? Math.min(100 - at, (number / whole) * 100) : 0;
    if (width <= 0) continue;
    const rect = document.createElementNS(SVG, "rect");
    const values = { x: `${at}%`, y: "0", width: `${width}%`, height: "100%", "data-part": name };
    for (const [key, value] of Object.entries(values)) rect.setAttribute(key, value);
    svg.append(rect);
    at += width;
  }
  return svg;
}
