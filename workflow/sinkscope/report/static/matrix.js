// @ts-check
// The matrix of a full heat map: its tokens along both axes, what its keys receive above it, a readout
// and zoom.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
// Around the matrix: tokens at the left, tokens and the strip above, the legend below.
const MARGIN = { left: 118, top: 104 + STRIP.height + STRIP.gap, right: 14, bottom: 62 };
const NARROW = 480; // pixels of a dialog in which labels have less space

/** @param {string} name @param {Record<string, string | number>} attributes @param {string} [text] */
function make(name, attributes, text) {
  const node = /** @type {SVGElement} */ (document.createElementNS(SVG, name));
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  if (text !== undefined) node.textContent = text;
  return node;
}

// ---- Tokens ----

/** A cell of a block-averaged map holds several tokens. @param {number} cell */
function tokensOf(cell) {
  const { data: { tokens }, matrix: { first } } = view;
  return { first: first[cell], last: first[cell + 1] - 1, text: tokens[first[cell]] };
}

/** @param {string} kind @param {number} cell */
function named(kind, cell) {
  const { first, last, text } = tokensOf(cell);
  return first === last ? `${kind} ${first} "${text}"` : `${kind} ${first} to ${last} "${text}" ...`;
}

/** @param {number} cell */
function short(cell) {
  const { first, last, text } = tokensOf(cell);
  const most = dialogOf().clientWidth < NARROW ? 6 : 12;
  const name = text.length > most ? `${text.slice(0, most - 1)}…` : text;
  return `${name} ${first}${first === last ? "" : `–${last}`}`;
}

/** @param {number} query @param {number} key */
function attention(query, key) {
  return attentionOf(view.matrix, query, key);
}

function whole() {
  const last = view.matrix.n - 1;
  return [0, last, 0, last];
}

// ---- Drawing ----

/** @param {number[]} region */
function picture([q0, q1, k0, k1]) {
  const canvas = document.createElement("canvas");
  canvas.width = k1 - k0 + 1;
  canvas.height = q1 - q0 + 1;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const image = context.createImageData(canvas.width, canvas.height);
  const table = pixelsOf(scaleOf());
  const { n, bytes } = view.matrix;
  let at = 0;
  for (let query = q0; query <= q1; query++) {
    for (let key = k0; key <= k1; key++, at += 4) {
      const step = bytes[key * n + query] * 4;
      image.data.set(table.subarray(step, step + 4), at);
    }
  }
  context.putImageData(image, 0, 0);
  return canvas.toDataURL();
}

function side() {
  MARGIN.left = dialogOf().clientWidth < NARROW ? 74 : 118;
  const available = dialogOf().clientWidth - 45 - MARGIN.left - MARGIN.right;
  return Math.max(170, Math.min(available, Math.max(380, innerHeight - 400)));
}

/** Every how many cells a label fits: a label needs 12 pixels. @param {number} count @param {number} length */
function stride(count, length) {
  return Math.max(1, Math.ceil((12 * count) / length));
}

const SANS = { "font-family": "system-ui, sans-serif" };

/** @param {SVGElement} svg @param {number} size @param {number[]} region */
function axes(svg, size, [q0, q1, k0, k1]) {
  const label = { "font-size": 10, "font-family": "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" };
  const [rows, columns] = [q1 - q0 + 1, k1 - k0 + 1];
  for (let query = q0; query <= q1; query += stride(rows, size)) {
    const y = MARGIN.top + ((query - q0 + 0.5) * size) / rows;
    svg.append(make("text", { ...label, x: MARGIN.left - 6, y: y + 3.5, "text-anchor": "end" }, short(query)));
  }
  // The keys that receive most are always named, with their number.
  const most = mostReceived(view.means, [k0, k1], size);
  const others = Array.from({ length: columns }, (_, i) => k0 + i).filter((key) => (key - k0) % stride(columns, size) === 0
    && !most.some((other) => Math.abs(other - key) * (size / columns) < 12));
  for (const key of [...others, ...most]) {
    const x = MARGIN.left + ((key - k0 + 0.5) * size) / columns + 3.5;
    const turned = `translate(${x} ${MARGIN.top - STRIP.height - STRIP.gap - 4}) rotate(-90)`;
    const isMost = most.includes(key);
    const text = isMost ? `${short(key)}: ${view.means[key].toFixed(2)}` : short(key);
    svg.append(make("text", { ...label, transform: turned, "font-weight": isMost ? 700 : 400 }, text));
  }
  const title = { ...SANS, "font-size": 11, "text-anchor": "middle" };
  svg.append(make("text", { ...title, x: MARGIN.left + size / 2, y: 11 }, "key (token, position)"));
  const turned = `translate(11 ${MARGIN.top + size / 2}) rotate(-90)`;
  svg.append(make("text", { ...title, transform: turned }, "query (token, position)"));
}

/** @param {SVGElement} svg @param {number} size */
function legend(svg, size) {
  const scale = scaleOf();
  const [x, y, width] = [MARGIN.left, MARGIN.top + size + 16, Math.min(260, size)];
  const gradient = make("linearGradient", { id: "map-gradient" });
  for (let i = 0; i <= 16; i++) {
    gradient.append(make("stop", { offset: i / 16, "stop-color": maps().colours[Math.round((i / 16) * 255)] }));
  }
  svg.append(gradient, make("rect", { x, y, width, height: 9, fill: "url(#map-gradient)", class: "raster" }));
  const ticks = scale === "log" ? [FLOOR, 0.02, 0.1, 1] : [0, 0.25, 0.5, 0.75, 1];
  const text = { ...SANS, y: y + 21, "font-size": 10, "text-anchor": "middle" };
  for (const tick of ticks) {
    svg.append(make("text", { ...text, x: x + part(tick, scale) * width }, scale === "log" && tick === FLOOR ? `≤ ${tick}` : String(tick)));
  }
  svg.append(make("text", { ...text, x, y: y + 36, "text-anchor": "start" }, scaleText()));
}

function scaleText() {
  return `attention (part of 1), ${scaleOf() === "log" ? "logarithmic" : "linear"} scale`;
}

function render() {
  const size = side();
  const [width, height] = [MARGIN.left + size + MARGIN.right, MARGIN.top + size + MARGIN.bottom];
  const svg = /** @type {SVGSVGElement} */ (make("svg", { viewBox: `0 0 ${width} ${height}`, width, height, tabindex: 0, role: "application" }));
  svg.setAttribute("aria-label", "Heat map; arrow keys move the cell that is read out");
  const frame = { x: MARGIN.left, y: MARGIN.top, width: size, height: size };
  const image = make("image", { ...frame, preserveAspectRatio: "none", class: "raster", href: picture(view.region) });
  image.style.imageRendering = "pixelated";
  svg.append(image, make("rect", { ...frame, fill: "none", stroke: "currentColor", "stroke-opacity": 0.35 }));
  axes(svg, size, view.region);
  const strip = { x: MARGIN.left, y: MARGIN.top - STRIP.height - STRIP.gap, width: size };
  drawStrip(svg, view.means, view.region.slice(2), strip);
  legend(svg, size);
  const cursorBox = make("rect", { class: "cursor", fill: "none", stroke: "#00a2c7", "stroke-width": 2 });
  svg.append(cursorBox);
  const hadFocus = view.svg && document.activeElement === view.svg;
  inDialog(".matrix").replaceChildren(svg);
  Object.assign(view, { svg, size, cursorBox });
  watchPointer(svg);
  if (hadFocus) svg.focus();
  readOut();
}

// ---- Readout ----

function readOut() {
  const [q0, q1, k0, k1] = view.region;
  view.cursor[0] = Math.min(Math.max(view.cursor[0], q0), q1);
  view.cursor[1] = Math.min(Math.max(view.cursor[1], k0), k1);
  const [query, key] = view.cursor;
  const [height, width] = [view.size / (q1 - q0 + 1), view.size / (k1 - k0 + 1)];
  const box = { x: MARGIN.left + (key - k0) * width, y: MARGIN.top + (query - q0) * height, width, height };
  for (const [name, value] of Object.entries(box)) view.cursorBox.setAttribute(name, String(value));
  inDialog(".readout").textContent =
    `${titleOf(view.map)}: ${named("query", query)} -> ${named("key", key)}: ${attention(query, key).toFixed(3)}${view.matrix.isSum && tokensOf(key).first < tokensOf(key).last ? " together" : ""}`;
}

/** @param {PointerEvent} event @returns {number[] | null} [query, key] */
function cellAt(event) {
  const box = view.svg.getBoundingClientRect();
  const zoomed = view.svg.viewBox.baseVal.width / box.width;
  const x = (event.clientX - box.left) * zoomed - MARGIN.left;
  const y = (event.clientY - box.top) * zoomed - MARGIN.top;
  if (x < 0 || y < 0 || x >= view.size || y >= view.size) return null;
  const [q0, q1, k0, k1] = view.region;
  const row = Math.floor((y / view.size) * (q1 - q0 + 1));
  return [q0 + row, k0 + Math.floor((x / view.size) * (k1 - k0 + 1))];
}

/** Hovering reads out; dragging from one cell to another zooms into the rectangle. @param {SVGSVGElement} svg */
function watchPointer(svg) {
  /** @type {number[] | null} */
  let begin = null;
  svg.addEventListener("pointerdown", (event) => { begin = cellAt(event); });
  svg.addEventListener("pointermove", (event) => {
    const cell = cellAt(event);
    if (!cell) return;
    view.cursor = cell;
    readOut();
  });
  svg.addEventListener("pointerup", (event) => {
    const [from, to] = [begin, cellAt(event)];
    begin = null;
    if (!from || !to || from[0] === to[0] || from[1] === to[1]) return;
    /** @param {number} axis */
    const between = (axis) => [Math.min(from[axis], to[axis]), Math.max(from[axis], to[axis])];
    view.region = [...between(0), ...between(1)];
    render();
  });
}

/** Half as many, or twice as many, cells a side around the cursor. @param {number} factor */
function zoom(factor) {
  const { n } = view.matrix;
  const [q0, q1, k0, k1] = view.region;
  /** @param {number} centre @param {number} count */
  const around = (centre, count) => {
    const wanted = Math.min(n, Math.max(4, Math.round(count * factor)));
    const first = Math.min(Math.max(0, centre - Math.floor(wanted / 2)), n - wanted);
    return [first, first + wanted - 1];
  };
  view.region = [...around(view.cursor[0], q1 - q0 + 1), ...around(view.cursor[1], k1 - k0 + 1)];
  render();
}

function showWhole() {
  view.region = whole();
  render();
}
