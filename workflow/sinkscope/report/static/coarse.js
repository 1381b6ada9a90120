// @ts-check
// Coarse maps of every head (sinkscope.extract.coarse), loaded when one is asked for, and what leads to
// them.
"use strict";

/** @param {string} model @param {string} documentName @param {MapData} data @param {string} map */
function hasMap(model, documentName, data, map) {
  if (!data.maps) return false; // in the report's single file
  return map in data.maps || (map.includes("-") && Boolean(entryOf(model, documentName)?.every_head));
}

/** Bytes of the coarse maps, by model and document. @type {Map<string, Promise<Uint8Array>>} */
const coarseBytes = new Map();

/** @param {string} model @param {string} documentName @param {MapData} data @param {string} map @returns {Promise<Matrix>} */
async function coarse(model, documentName, { causal }, map) {
  const key = `${model}/${documentName}/heads`;
  /** @type {HeadsData} */
  const { first, packed } = await loaded(key, [model, "heads", documentName]);
  if (!coarseBytes.has(key)) coarseBytes.set(key, unpacked(packed));
  const all = /** @type {Uint8Array} */ (await coarseBytes.get(key));
  const { layers, n_heads: heads } = /** @type {MapEntry} */ (entryOf(model, documentName));
  const [layer, head] = map.split("-").map(Number);
  const n = first.length - 1;
  const size = causal ? (n * (n + 1)) / 2 : n * n;
  const start = (layers.indexOf(layer) * heads + head) * size;
  if (!causal) return { n, bytes: all.subarray(start, start + size), first, isSum: true };
  const bytes = new Uint8Array(n * n); // kept are the queries from each key on
  for (let key = 0, at = start; key < n; at += n - key, key++) bytes.set(all.subarray(at, at + n - key), key * n + key);
  return { n, bytes, first, isSum: true };
}

/** How a map joins tokens, where it does. @param {Matrix} matrix */
function coarseness({ first, isSum }) {
  const size = Math.max(...first.slice(1).map((token, i) => token - first[i]));
  if (size === 1) return "";
  return isSum ? `; coarse: ${size} keys together, mean over ${size} queries, the first token alone` : `; mean over blocks of ${size} tokens`;
}

/** Open the map of a head of the document that is picked, or of the first that has one. @param {number} layer @param {number} head */
function openHead(layer, head) {
  const map = `${layer}-${head}`;
  const entries = [shownEntry(), ...maps().models[page.model ?? ""]];
  const entry = entries.find((one) => mapsOf(one, true).includes(map));
  if (entry) openMap(page.model ?? "", entry.document, map);
}

/** A small map, which opens the full one. @param {HTMLElement} at @param {string} model @param {string} documentName @param {string} map @param {boolean} isKept */
function showPreview(at, model, documentName, map, isKept) {
  const key = `${model}/${documentName}/${map}`;
  if (at.dataset.of === key) return;
  at.dataset.of = key;
  at.replaceChildren();
  if (!isKept) return;
  const button = element("button", { type: "button", "aria-label": `Open the heat map of ${titleOf(map)}` }, thumbnail(model, documentName, map), `Map of ${titleOf(map)}`);
  button.addEventListener("click", () => openMap(model, documentName, map));
  at.append(button);
  paintAll();
}
