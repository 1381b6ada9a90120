// The full heat map: a matrix with its tokens along both axes, what its keys receive above it, a
// readout, zoom and exports.
"use strict";

const dialog = document.getElementById("map-dialog");
const SVG = "http://www.w3.org/2000/svg";
// Around the matrix: tokens at the left, tokens and the strip above, the legend below.
const MARGIN = { left: 118, top: 104 + STRIP.height + STRIP.gap, right: 14, bottom: 62 };
const NARROW = 480; // pixels of a dialog in which labels have less room
// What the dialog shows. region: first and last cell shown, [query, query, key, key].
const view = { scale: "linear" };

function make(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

// ---- Colour ----

// Part of the scale, 0 to 1, of an attention.
function part(attention) {
  if (view.scale === "linear") return attention;
  return Math.max(0, 1 - Math.log10(Math.max(attention, maps.floor)) / Math.log10(maps.floor));
}

function colour(fraction) {
  return maps.colours[Math.round(fraction * 255)];
}

// ---- Tokens ----

// A cell of a block-averaged map holds several tokens.
function tokensOf(cell) {
  const [first, after] = [view.first[cell], view.first[cell + 1]];
  return { first, last: after - 1, text: view.tokens[first] };
}

function named(kind, cell) {
  const { first, last, text } = tokensOf(cell);
  return first === last ? `${kind} ${first} "${text}"` : `${kind} ${first} to ${last} "${text}" ...`;
}

function short(cell) {
  const { first, last, text } = tokensOf(cell);
  const most = dialog.clientWidth < NARROW ? 6 : 12;
  const name = text.length > most ? `${text.slice(0, most - 1)}…` : text;
  return `${name} ${first}${first === last ? "" : `–${last}`}`;
}

function attention(query, key) {
  return view.matrix[query * view.n + key] / maps.steps;
}

// ---- Drawing ----

function picture([q0, q1, k0, k1]) {
  const canvas = document.createElement("canvas");
  canvas.width = k1 - k0 + 1;
  canvas.height = q1 - q0 + 1;
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const colours = maps.colours.map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  let at = 0;
  for (let query = q0; query <= q1; query++) {
    for (let key = k0; key <= k1; key++) {
      image.data.set(colours[Math.round(part(attention(query, key)) * 255)], at);
      image.data[at + 3] = 255;
      at += 4;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas.toDataURL();
}

function side() {
  MARGIN.left = dialog.clientWidth < NARROW ? 74 : 118;
  const room = dialog.clientWidth - 45 - MARGIN.left - MARGIN.right;
  return Math.max(170, Math.min(room, Math.max(380, window.innerHeight - 400)));
}

// Every how many cells a label fits: a label needs 12 pixels.
function stride(count, length) {
  return Math.max(1, Math.ceil((12 * count) / length));
}

function axes(svg, size, [q0, q1, k0, k1]) {
  const label = { "font-size": 10, "font-family": "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace" };
  const [rows, columns] = [q1 - q0 + 1, k1 - k0 + 1];
  for (let query = q0; query <= q1; query += stride(rows, size)) {
    const y = MARGIN.top + ((query - q0 + 0.5) * size) / rows;
    svg.append(make("text", { ...label, x: MARGIN.left - 6, y: y + 3.5, "text-anchor": "end" }, short(query)));
  }
  // The keys that receive most are always named, with their number.
  const most = mostReceived(view.received, [k0, k1], size);
  const tooNear = (key) => most.some((other) => Math.abs(other - key) * (size / columns) < 12);
  const named = Array.from({ length: columns }, (_, i) => k0 + i)
    .filter((key) => (key - k0) % stride(columns, size) === 0 && !tooNear(key));
  for (const key of [...named, ...most]) {
    const x = MARGIN.left + ((key - k0 + 0.5) * size) / columns + 3.5;
    const turn = `translate(${x} ${MARGIN.top - STRIP.height - STRIP.gap - 4}) rotate(-90)`;
    const isMost = most.includes(key);
    const text = isMost ? `${short(key)}: ${view.received[key].toFixed(2)}` : short(key);
    svg.append(make("text", { ...label, transform: turn, "font-weight": isMost ? 700 : 400 }, text));
  }
  const title = { "font-size": 11, "font-family": "system-ui, sans-serif", "text-anchor": "middle" };
  svg.append(make("text", { ...title, x: MARGIN.left + size / 2, y: 11 }, "key (token, position)"));
  const turned = `translate(11 ${MARGIN.top + size / 2}) rotate(-90)`;
  svg.append(make("text", { ...title, transform: turned }, "query (token, position)"));
}

function legend(svg, size) {
  const [x, y, width] = [MARGIN.left, MARGIN.top + size + 16, Math.min(260, size)];
  const gradient = make("linearGradient", { id: "map-gradient" });
  for (let i = 0; i <= 16; i++) {
    gradient.append(make("stop", { offset: i / 16, "stop-color": colour(i / 16) }));
  }
  svg.append(gradient);
  svg.append(make("rect", { x, y, width, height: 9, fill: "url(#map-gradient)", class: "raster" }));
  const decades = Array.from({ length: 1 - Math.log10(maps.floor) }, (_, i) => maps.floor * 10 ** i);
  const ticks = view.scale === "log" ? decades : [0, 0.25, 0.5, 0.75, 1];
  const text = { y: y + 21, "font-size": 10, "font-family": "system-ui, sans-serif", "text-anchor": "middle" };
  const label = (tick) => (tick === maps.floor ? `≤ ${tick}` : Number(tick.toPrecision(3)));
  for (const tick of ticks) {
    svg.append(make("text", { ...text, x: x + part(tick) * width }, label(tick)));
  }
  svg.append(make("text", { ...text, x, y: y + 36, "text-anchor": "start" }, scaleText()));
}

function scaleText() {
  return `attention (part of 1), ${view.scale === "log" ? "logarithmic" : "linear"} scale`;
}

function render() {
  const size = side();
  const [width, height] = [MARGIN.left + size + MARGIN.right, MARGIN.top + size + MARGIN.bottom];
  const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, width, height, tabindex: 0, role: "application" });
  svg.setAttribute("aria-label", "Heat map; arrow keys move the cell that is read out");
  const frame = { x: MARGIN.left, y: MARGIN.top, width: size, height: size };
  const image = make("image", { ...frame, preserveAspectRatio: "none", class: "raster", href: picture(view.region) });
  image.style.imageRendering = "pixelated";
  svg.append(image, make("rect", { ...frame, fill: "none", stroke: "currentColor", "stroke-opacity": 0.35 }));
  axes(svg, size, view.region);
  const strip = { x: MARGIN.left, y: MARGIN.top - STRIP.height - STRIP.gap, width: size };
  drawStrip(svg, view.received, view.region.slice(2), strip);
  legend(svg, size);
  view.cursorBox = make("rect", { class: "cursor", fill: "none", stroke: "#00a2c7", "stroke-width": 2 });
  svg.append(view.cursorBox);
  const hadFocus = view.svg && document.activeElement === view.svg;
  dialog.querySelector(".matrix").replaceChildren(svg);
  Object.assign(view, { svg, size });
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
  for (const [name, value] of Object.entries(box)) view.cursorBox.setAttribute(name, value);
  dialog.querySelector(".readout").textContent =
    `${titleOf(view.map)}: ${named("query", query)} -> ${named("key", key)}: ${attention(query, key).toFixed(4)}`;
}

function cellAt(event) {
  const box = view.svg.getBoundingClientRect();
  const zoom = view.svg.viewBox.baseVal.width / box.width;
  const x = (event.clientX - box.left) * zoom - MARGIN.left;
  const y = (event.clientY - box.top) * zoom - MARGIN.top;
  if (x < 0 || y < 0 || x >= view.size || y >= view.size) return null;
  const [q0, q1, k0, k1] = view.region;
  const row = Math.floor((y / view.size) * (q1 - q0 + 1));
  return [q0 + row, k0 + Math.floor((x / view.size) * (k1 - k0 + 1))];
}

// Hovering reads out; dragging from one cell to another zooms into the rectangle.
function watchPointer(svg) {
  let start = null;
  svg.addEventListener("pointerdown", (event) => { start = cellAt(event); });
  svg.addEventListener("pointermove", (event) => {
    const cell = cellAt(event);
    if (!cell) return;
    view.cursor = cell;
    readOut();
  });
  svg.addEventListener("pointerup", (event) => {
    const end = cellAt(event);
    if (start && end && start[0] !== end[0] && start[1] !== end[1]) {
      const between = (axis) => [Math.min(start[axis], end[axis]), Math.max(start[axis], end[axis])];
      view.region = [...between(0), ...between(1)];
      render();
    }
    start = null;
  });
}

// Half as many, or twice as many, cells a side around the cursor.
function zoom(factor) {
  const [q0, q1, k0, k1] = view.region;
  const around = (centre, count) => {
    const wanted = Math.min(view.n, Math.max(4, Math.round(count * factor)));
    const first = Math.min(Math.max(0, centre - Math.floor(wanted / 2)), view.n - wanted);
    return [first, first + wanted - 1];
  };
  view.region = [...around(view.cursor[0], q1 - q0 + 1), ...around(view.cursor[1], k1 - k0 + 1)];
  render();
}

function whole() {
  view.region = [0, view.n - 1, 0, view.n - 1];
  render();
}

// ---- Opening, and going from map to map ----

async function openMap(documentName, map) {
  const [{ tokens, first }, matrix] = await Promise.all([
    load(`${documentName}/tokens`),
    matrixOf(documentName, map),
  ]);
  const sameDocument = view.document === documentName;
  Object.assign(view, { document: documentName, map, tokens, first, matrix, n: first.length - 1 });
  view.received = receivedBy(view.n, attention);
  if (!sameDocument || !view.region) {
    view.region = [0, view.n - 1, 0, view.n - 1];
    view.cursor = [view.n - 1, 0];
  }
  dialog.querySelector("h2").textContent = `${page.model}, ${titleOf(map)}`;
  dialog.querySelector(".over").textContent =
    `${documentName}; ${map.includes("-") ? "one head" : "mean over heads"}`;
  fillMenu(entryOf(documentName));
  if (!dialog.open) dialog.showModal();
  remember(`#map=${documentName}/${map}`);
  render();
}

// The address leads back to the open map.
function remember(hash) {
  try { // some browsers forbid it to pages opened from a disk
    history.replaceState(null, "", hash || location.pathname + location.search);
  } catch { /* then the address stays as it is */ }
}

function openFromAddress() {
  const [documentName, map] = decodeURIComponent(location.hash).slice("#map=".length).split("/");
  if (!location.hash.startsWith("#map=") || !entryOf(documentName)) return;
  const entry = entryOf(documentName);
  if ([...mapsOf(entry, false), ...mapsOf(entry, true)].includes(map)) openMap(documentName, map);
}

function fillMenu(entry) {
  const menu = dialog.querySelector("#map-menu");
  const group = (label, single) => {
    const node = document.createElement("optgroup");
    node.label = label;
    node.append(...mapsOf(entry, single).map((map) => new Option(titleOf(map), map)));
    return node;
  };
  menu.replaceChildren(group("Mean over heads", false));
  if (entry.heads.length) menu.append(group("Single heads", true));
  menu.value = view.map;
}

// The next map of the same kind, round the end.
function step(by) {
  const all = mapsOf(entryOf(view.document), view.map.includes("-"));
  return openMap(view.document, all[(all.indexOf(view.map) + by + all.length) % all.length]);
}

const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
  const move = MOVES[event.key];
  const onMap = event.target === view.svg;
  const actions = { PageUp: () => step(-1), PageDown: () => step(1), "+": () => zoom(0.5), "-": () => zoom(2), 0: whole };
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

// ---- Exports ----

function isWhole() {
  return view.region.join() === `0,${view.n - 1},0,${view.n - 1}`;
}

function save(content, type, ending) {
  const [q0, q1, k0, k1] = view.region;
  const region = isWhole() ? "" : `-queries-${q0}-${q1}-keys-${k0}-${k1}`;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = `${page.model}-${view.document}-${view.map}${region}.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// A picture that says by itself what it shows: model, document, layer, unit and scale.
function asSvg() {
  const copy = view.svg.cloneNode(true);
  const [width, height] = [Number(copy.getAttribute("width")), Number(copy.getAttribute("height"))];
  copy.querySelector(".cursor").remove();
  copy.setAttribute("xmlns", SVG);
  copy.setAttribute("color", "#1d2025");
  copy.setAttribute("viewBox", `0 -40 ${width} ${height + 40}`);
  copy.setAttribute("height", height + 40);
  copy.style.background = "#ffffff";
  const [q0, q1, k0, k1] = view.region;
  const kind = view.map.includes("-") ? "" : ", mean over heads";
  const part = isWhole() ? "" : `; queries ${q0} to ${q1}, keys ${k0} to ${k1}`;
  const text = { x: 8, "font-family": "system-ui, sans-serif" };
  copy.append(
    make("text", { ...text, y: -22, "font-size": 14, "font-weight": 600 }, `${page.model}, ${titleOf(view.map)}${kind}`),
    make("text", { ...text, y: -6, "font-size": 11 }, `document ${view.document}${part}; ${scaleText()}`),
  );
  for (const text of copy.querySelectorAll("text")) text.setAttribute("fill", "currentColor");
  return new XMLSerializer().serializeToString(copy);
}

// The numbers that are shown: of the whole map, or of the part that is zoomed into.
function asCsv() {
  // An apostrophe keeps a spreadsheet from running a token as a formula.
  const quoted = (text) => `"${text.replace(/^(?=[=+@\t\r-])/, "'").replaceAll('"', '""')}"`;
  const [q0, q1, k0, k1] = view.region;
  const cells = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
  const name = (cell) => {
    const { first, last, text } = tokensOf(cell);
    return `${text} ${first}${first === last ? "" : `–${last}`}`;
  };
  const head = ["query \\ key", ...cells(k0, k1).map(name)].map(quoted).join(",");
  const rows = cells(q0, q1).map((query) =>
    [quoted(name(query)), ...cells(k0, k1).map((key) => attention(query, key))].join(","));
  return [head, ...rows, ""].join("\n");
}

async function asPng() {
  const image = new Image();
  image.src = `data:image/svg+xml,${encodeURIComponent(asSvg())}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [2 * image.width, 2 * image.height];
  const context = canvas.getContext("2d");
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = false;
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

function onClick(id, action) {
  document.getElementById(id).addEventListener("click", action);
}

dialog.addEventListener("keydown", onKey);
onClick("map-previous", () => step(-1));
onClick("map-next", () => step(1));
onClick("map-in", () => zoom(0.5));
onClick("map-out", () => zoom(2));
onClick("map-whole", whole);
onClick("map-csv", () => save(asCsv(), "text/csv", "csv"));
onClick("map-svg", () => save(asSvg(), "image/svg+xml", "svg"));
onClick("map-png", async () => save(await asPng(), "image/png", "png"));
document.getElementById("map-menu").addEventListener("change", (event) => openMap(view.document, event.target.value));
document.getElementById("map-scale").addEventListener("change", (event) => {
  view.scale = event.target.value;
  render();
});
dialog.addEventListener("close", () => remember(""));
showMaps();
openFromAddress();
