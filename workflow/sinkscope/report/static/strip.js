// @ts-check
// What every key of a map receives: bars above the map, the largest with their token and number.
"use strict";

const STRIP = { height: 40, gap: 6, thinnest: 2, labelled: 3 };

/**
 * The keys that receive most, of those shown, whose labels do not overlap.
 * @param {Float64Array} received mean over queries, by key @param {number[]} shown first and last key @param {number} width pixels
 */
function mostReceived(received, [first, last], width) {
  const side = width / (last - first + 1);
  const keys = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  /** @type {number[]} */
  const chosen = [];
  for (const key of keys.sort((a, b) => received[b] - received[a] || a - b)) {
    if (chosen.length === STRIP.labelled) break;
    if (received[key] > 2 / received.length && chosen.every((other) => Math.abs(other - key) * side >= 12)) chosen.push(key);
  }
  return chosen;
}

/**
 * The bars, with an axis from 0 to 1.
 * @param {SVGElement} svg @param {Float64Array} received @param {number[]} shown @param {{x: number, y: number, width: number}} place of the strip; its height is STRIP.height
 */
function drawStrip(svg, received, [first, last], place) {
  const side = place.width / (last - first + 1);
  const floor = place.y + STRIP.height;
  const bars = make("g", { class: "received" });
  for (let key = first; key <= last; key++) {
    const height = Math.min(1, received[key]) * STRIP.height;
    const width = Math.max(STRIP.thinnest, side * 0.8);
    const x = place.x + (key - first + 0.5) * side - width / 2;
    bars.append(make("rect", { x: Math.max(place.x, x), y: floor - height, width, height, fill: "#3380b9" }));
  }
  const line = { x1: place.x, x2: place.x + place.width, stroke: "currentColor", "stroke-opacity": 0.25 };
  const small = { ...SANS, x: place.x - 6, "font-size": 9, "text-anchor": "end" };
  for (const [value, y] of [[1, place.y], [0, floor]]) {
    bars.append(make("line", { ...line, y1: y, y2: y }), make("text", { ...small, y: y + 3 }, String(value)));
  }
  bars.append(make("text", { ...small, y: place.y + STRIP.height / 2 + 3 }, "received"));
  svg.append(bars);
}
