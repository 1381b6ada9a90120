// @ts-check
// Heat maps on a page: thumbnails, and their lists. The dialog of a full map is in dialog.js.
"use strict";

// ---- Thumbnails ----

// Pixels: most cells a side, height of the strip of what keys receive, the gap below it, and the
// largest part of the width that the first key, the most frequent sink, may lack.
const THUMBNAIL = { side: 96, strip: 7, gap: 3, first: 24 };

/** The largest value of each block: the mean would hide a sink, one column among many. @param {Matrix} matrix */
function reduced({ n, bytes }) {
  const side = Math.min(n, THUMBNAIL.side);
  const block = Uint16Array.from({ length: n }, (_, cell) => Math.floor(((cell + 1) * side - 1) / n));
  const least = new Uint8Array(side * side); // [key, query]
  for (let key = 0; key < n; key++) {
    const row = block[key] * side;
    for (let query = 0; query < n; query++) {
      const at = row + block[query];
      if (bytes[key * n + query] > least[at]) least[at] = bytes[key * n + query];
    }
  }
  return { side, block, bytes: least };
}

/** @param {HTMLCanvasElement} canvas @param {Matrix} matrix */
function paint(canvas, matrix) {
  const { side, block, bytes } = reduced(matrix);
  const strip = new Uint8Array(side);
  means(matrix).forEach((mean, key) => { strip[block[key]] = Math.max(strip[block[key]], byteOf(mean)); });
  const unit = Math.max(1, Math.floor(THUMBNAIL.side / side));
  const first = Math.max(unit, Math.floor((side * unit) / THUMBNAIL.first));
  canvas.width = first + (side - 1) * unit;
  canvas.height = THUMBNAIL.strip + THUMBNAIL.gap + side * unit;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const image = context.createImageData(canvas.width, canvas.height);
  const table = pixelsOf(scaleOf());
  for (let y = 0; y < canvas.height; y++) {
    const query = Math.floor((y - THUMBNAIL.strip - THUMBNAIL.gap) / unit);
    for (let x = 0; x < canvas.width; x++) {
      const key = x < first ? 0 : 1 + Math.floor((x - first) / unit);
      const step = y < THUMBNAIL.strip ? strip[key] : query < 0 ? 0 : bytes[key * side + query];
      image.data.set(table.subarray(step * 4, step * 4 + 4), (y * canvas.width + x) * 4);
    }
  }
  context.putImageData(image, 0, 0);
}

/** Whether an element is on the screen, or nearly. @param {Element} at */
function isSeen(at) {
  const { top, bottom } = at.getBoundingClientRect();
  return bottom > -300 && top < innerHeight + 300;
}

/** Paint one thumbnail per task: at once those that are seen, the others when there is time. */
async function paintAll() {
  const rest = () => [.../** @type {NodeListOf<HTMLCanvasElement>} */ (document.querySelectorAll("canvas[data-map]:not(.painted)"))];
  for (let waiting = rest(); waiting.length; waiting = rest()) {
    const canvas = waiting.find(isSeen) ?? waiting[0];
    canvas.classList.add("painted");
    const { model, document: name, map } = canvas.dataset;
    const matrix = await matrixOf(model ?? "", name ?? "", map ?? "");
    await (isSeen(canvas) || drawing.inHurry ? turn() : idle());
    if (matrix) paint(canvas, matrix);
  }
}

/** @param {string} model @param {string} documentName @param {string} map */
function thumbnail(model, documentName, map) {
  const canvas = element("canvas", { class: "raster", width: "100", height: "106" });
  Object.assign(canvas.dataset, { model, document: documentName, map });
  return canvas;
}

// ---- The list of maps on a model's page ----

/** One scale for thumbnails and full maps. @param {string} scale */
function setScale(scale) {
  address.set({ scale: scale === "log" ? "log" : null });
  document.dispatchEvent(new CustomEvent("scale"));
}

/** The pickers of the scale, and the legend beside one. */
function showScale() {
  for (const select of /** @type {NodeListOf<HTMLSelectElement>} */ (document.querySelectorAll("select.scale-of-maps"))) {
    select.value = scaleOf();
  }
  const least = document.getElementById("maps-least");
  if (least) least.textContent = scaleOf() === "log" ? `≤ ${FLOOR}` : "0";
}

/** @param {string | undefined} model @param {string | undefined} documentName @returns {MapEntry | undefined} */
function entryOf(model, documentName) {
  return maps().models[model ?? ""]?.find((entry) => entry.document === documentName);
}

/** The document that is picked, or the first with maps. @returns {MapEntry} */
function shownEntry() {
  return entryOf(page.model, picked.document) ?? /** @type {MapEntry} */ (entryOf(page.model, page.first_document ?? undefined));
}

/** "12" is a layer's head mean, "12-3" head 3 of layer 12. @param {string} map */
function titleOf(map) {
  const [layer, head] = map.split("-");
  return head === undefined ? `layer ${layer}` : `layer ${layer}, head ${head}`;
}

/** @param {MapEntry} entry @param {boolean} single heads, not layers */
function mapsOf(entry, single) {
  if (!single) return entry.layers.map(String);
  if (!entry.every_head) return fullHeads(entry);
  const heads = Array.from({ length: entry.n_heads }, (_, head) => head);
  return entry.layers.flatMap((layer) => heads.map((head) => `${layer}-${head}`));
}

/** Heads whose map is not coarse. @param {MapEntry} entry */
function fullHeads(entry) {
  return entry.heads.map((head) => head.join("-"));
}

/** @param {MapEntry} entry @param {string} map @param {string} name below the thumbnail */
function item(entry, map, name = titleOf(map)) {
  const button = element("button", { type: "button", "aria-label": `Open the heat map of ${titleOf(map)}${name === titleOf(map) ? "" : `, ${name}`}` });
  button.dataset.map = map;
  button.append(thumbnail(page.model ?? "", entry.document, map), name);
  button.addEventListener("click", () => openMap(page.model ?? "", entry.document, map));
  return element("li", {}, button);
}

/** @param {MapEntry} entry */
async function showTokens(entry) {
  const { tokens, classes } = await load(page.model ?? "", entry.document);
  const spans = tokens.map((token, position) => {
    const span = element("span", { title: `${position}: ${classes[position]}` }, token);
    span.style.setProperty("--class", maps().class_colours[classes[position]]);
    return span;
  });
  byId("tokens").replaceChildren(...spans);
}

function showMaps() {
  const entry = shownEntry();
  byId("maps-document").textContent =
    `${entry.document}: ${entry.n_tokens.toLocaleString("en")} tokens` +
    (entry.n_cells < entry.n_tokens ? `, averaged in ${entry.n_cells} blocks a side` : "");
  for (const [id, names] of /** @type {[string, string[]][]} */ ([["layers", mapsOf(entry, false)], ["single-heads", fullHeads(entry)]])) {
    const list = byId(id);
    list.replaceChildren(...names.map((map) => item(entry, map)));
    const box = list.closest("div");
    if (box) box.hidden = list.children.length === 0;
  }
  showTokens(entry);
  showDocuments();
  paintAll();
}

/** One layer of every document, once that list is open: their data files are loaded for it. */
function showDocuments() {
  const details = /** @type {HTMLDetailsElement} */ (byId("of-documents"));
  const entries = maps().models[page.model ?? ""] ?? [];
  details.hidden = entries.length < 2;
  const select = /** @type {HTMLSelectElement} */ (byId("layer-of-documents"));
  if (!select.options.length) {
    const layers = entries[0]?.layers ?? [];
    select.append(...layers.map((layer) => element("option", { value: String(layer) }, String(layer))));
    select.selectedIndex = Math.floor(layers.length / 2);
  }
  const shown = details.open ? entries : [];
  byId("documents-of-layer").replaceChildren(...shown.map((entry) => item(entry, select.value, `${entry.document} (${entry.n_tokens.toLocaleString("en")})`)));
}

/** @param {string} event */
function repaintOn(event) {
  document.addEventListener(event, () => {
    if (!document.getElementById("layers")) return;
    showScale();
    showMaps();
  });
}

repaintOn("pick");
repaintOn("scale");
starts.push(() => {
  if (!document.getElementById("layers")) return;
  for (const select of /** @type {NodeListOf<HTMLSelectElement>} */ (document.querySelectorAll("select.scale-of-maps"))) {
    select.addEventListener("change", () => setScale(select.value));
  }
  for (const [id, event] of [["of-documents", "toggle"], ["layer-of-documents", "change"]]) {
    byId(id).addEventListener(event, () => {
      showDocuments();
      paintAll();
    });
  }
  onState(showScale);
  showScale();
  showMaps();
});
