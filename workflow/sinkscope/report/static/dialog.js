// @ts-check
// The full heat map: a matrix with its tokens along both axes, what its keys receive above it, a
// readout, zoom and exports.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
// Around the matrix: tokens at the left, tokens and the strip above, the legend below.
const MARGIN = { left: 118, top: 104 + STRIP.height + STRIP.gap, right: 14, bottom: 62 };
const NARROW = 480; // pixels of a dialog in which labels have less space

/**
 * What the dialog shows. region: first and last cell shown, [query, query, key, key]; cursor: the cell
 * that is read out, [query, key].
 * @typedef {{model: string, document: string, map: string, data: MapData, matrix: Matrix, means: Float64Array,
 *   region: number[], cursor: number[], svg: SVGSVGElement, cursorBox: SVGElement, size: number}} MapView
 */
/** @type {MapView} */
let view;
/** Whether opening the dialog was a step, which closing it takes back. */
let hasEntry = false;

function dialogOf() {
  return /** @type {HTMLDialogElement} */ (byId("map-dialog"));
}

/** @param {string} selector @returns {HTMLElement} */
function inDialog(selector) {
  return /** @type {HTMLElement} */ (dialogOf().querySelector(selector));
}

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

// ---- Opening, and going from map to map. The address names it: map=MODEL/DOCUMENT/LAYER-HEAD ----

/** @param {string} model @param {string} documentName @param {string} map */
async function openMap(model, documentName, map) {
  const step = !dialogOf().open;
  address.set({ map: `${model}/${documentName}/${map}` }, step);
  hasEntry ||= step;
  await showMap(model, documentName, map);
}

/** @param {string} model @param {string} documentName @param {string} map */
async function showMap(model, documentName, map) {
  const data = await load(model, documentName);
  const matrix = await matrixOf(model, documentName, map);
  if (!matrix) return;
  const isSame = view?.model === model && view.document === documentName && view.matrix.n === matrix.n;
  const { region, cursor } = isSame ? view : { region: null, cursor: null };
  view = { ...view, model, document: documentName, map, data, matrix, means: means(matrix) };
  view.region = region ?? whole();
  view.cursor = cursor ?? [matrix.n - 1, 0];
  inDialog("h2").textContent = `${model}, ${titleOf(map)}`;
  inDialog(".over").textContent = `${documentName}; ${map.includes("-") ? "one head" : "mean over heads"}${coarseness(matrix)}`;
  fillMenu(/** @type {MapEntry} */ (entryOf(model, documentName)));
  if (!dialogOf().open) dialogOf().showModal();
  render();
}

/** The dialog as the address has it: open on a map, or closed. */
function followAddress() {
  const [model, documentName, map] = (address.get("map") ?? "").split("/");
  const entry = entryOf(model, documentName);
  if (entry && [...mapsOf(entry, false), ...mapsOf(entry, true)].includes(map)) {
    showMap(model, documentName, map);
  } else if (dialogOf().open) {
    hasEntry = false;
    dialogOf().close();
  }
}

function leaveEntry() {
  if (address.get("map") === null) return; // the reader went back
  if (hasEntry && !address.memory) history.back();
  else address.set({ map: null });
  hasEntry = false;
}

/** @param {MapEntry} entry */
function fillMenu(entry) {
  const menu = /** @type {HTMLSelectElement} */ (byId("map-menu"));
  /** @param {string} label @param {boolean} single */
  const group = (label, single) => {
    const node = element("optgroup", { label });
    node.append(...mapsOf(entry, single).map((map) => new Option(titleOf(map), map)));
    return node;
  };
  menu.replaceChildren(group("Mean over heads", false));
  if (mapsOf(entry, true).length) menu.append(group("Single heads", true));
  menu.value = view.map;
}

/** The next map of the same kind, round the end. @param {number} by */
function step(by) {
  const all = mapsOf(/** @type {MapEntry} */ (entryOf(view.model, view.document)), view.map.includes("-"));
  return openMap(view.model, view.document, all[(all.indexOf(view.map) + by + all.length) % all.length]);
}

/** @type {Record<string, number[]>} */
const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target instanceof HTMLSelectElement) return;
  const move = MOVES[event.key];
  const onMap = event.target === view.svg;
  /** @type {Record<string, () => void>} */
  const actions = { PageUp: () => step(-1), PageDown: () => step(1), "+": () => zoom(0.5), "-": () => zoom(2), 0: showWhole };
  if (move && onMap) {
    view.cursor = [view.cursor[0] + move[0], view.cursor[1] + move[1]];
    readOut();
  } else if (move) {
    step(move[0] + move[1]);
  } else if (actions[event.key]) {
    actions[event.key]();
  } else {
    return;
  }
  event.preventDefault();
}

// ---- Exports: what is shown, with model, document, layer, unit and scale in the picture ----

function isWhole() {
  return view.region.join() === whole().join();
}

function fileName() {
  const [q0, q1, k0, k1] = view.region;
  const region = isWhole() ? "" : `-queries-${q0}-${q1}-keys-${k0}-${k1}`;
  return `${view.model}-${view.document}-${view.map}${region}`;
}

function asSvg() {
  const copy = /** @type {SVGSVGElement} */ (view.svg.cloneNode(true));
  const [width, height] = [Number(copy.getAttribute("width")), Number(copy.getAttribute("height"))];
  copy.querySelector(".cursor")?.remove();
  copy.setAttribute("xmlns", SVG);
  copy.setAttribute("color", "#1d2025");
  copy.setAttribute("viewBox", `0 -40 ${width} ${height + 40}`);
  copy.setAttribute("height", String(height + 40));
  copy.style.background = "#ffffff";
  const [q0, q1, k0, k1] = view.region;
  const kind = view.map.includes("-") ? "" : ", mean over heads";
  const region = isWhole() ? "" : `; queries ${q0} to ${q1}, keys ${k0} to ${k1}`;
  copy.append(
    make("text", { ...SANS, x: 8, y: -22, "font-size": 14, "font-weight": 600 }, `${view.model}, ${titleOf(view.map)}${kind}`),
    make("text", { ...SANS, x: 8, y: -6, "font-size": 11 }, `document ${view.document}${region}; ${scaleText()}`),
  );
  for (const text of copy.querySelectorAll("text")) text.setAttribute("fill", "currentColor");
  return new XMLSerializer().serializeToString(copy);
}

/** The numbers that are shown: of the whole map, or of the part that is zoomed into. */
function asCsv() {
  const [q0, q1, k0, k1] = view.region;
  /** @param {number} from @param {number} to */
  const cells = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
  /** @param {number} cell */
  const name = (cell) => {
    const { first, last, text } = tokensOf(cell);
    return `${text} ${first}${first === last ? "" : `–${last}`}`;
  };
  const keys = cells(k0, k1);
  const lines = [["query \\ key", ...keys.map(name)]];
  for (const query of cells(q0, q1)) lines.push([name(query), ...keys.map((key) => attention(query, key).toFixed(4))]);
  return lines.map((fields) => `${fields.map(csvField).join(",")}\n`).join("");
}

async function asPng() {
  const image = new Image();
  image.src = `data:image/svg+xml,${encodeURIComponent(asSvg())}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [2 * image.width, 2 * image.height];
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = false;
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return /** @type {Promise<Blob>} */ (new Promise((resolve) => canvas.toBlob((blob) => resolve(blob ?? new Blob()), "image/png")));
}

function startDialog() {
  if (!document.getElementById("map-dialog")) return;
  hasEntry = false;
  /** @param {string} id @param {() => void} action */
  const onClick = (id, action) => byId(id).addEventListener("click", action);
  dialogOf().addEventListener("keydown", onKey);
  dialogOf().addEventListener("close", leaveEntry);
  onClick("map-previous", () => step(-1));
  onClick("map-next", () => step(1));
  onClick("map-in", () => zoom(0.5));
  onClick("map-out", () => zoom(2));
  onClick("map-whole", showWhole);
  onClick("map-csv", () => save(asCsv(), "csv", fileName()));
  onClick("map-svg", () => save(asSvg(), "svg", fileName()));
  onClick("map-png", async () => save(await asPng(), "png", fileName()));
  const menu = /** @type {HTMLSelectElement} */ (byId("map-menu"));
  menu.addEventListener("change", () => openMap(view.model, view.document, menu.value));
  onState(followAddress);
  followAddress();
}

document.addEventListener("scale", () => { if (view && dialogOf().open) render(); });
starts.push(startDialog);
