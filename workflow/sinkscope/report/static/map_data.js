// @ts-check
// The data files of heat maps: loading them, their numbers and colours.
"use strict";

/** Data files that are loaded, or loading, by their key. @type {Map<string, Promise<any>>} */
const loading = new Map();
/** @type {Map<string, (data: any) => void>} */
const waiting = new Map();

// Data files call this: a page opened from a disk may load scripts, but not fetch.
const sinkscope = {
  /** @param {string} key @param {MapData | HeadsData} value */
  receive(key, value) {
    waiting.get(key)?.(value);
    loading.set(key, Promise.resolve(value));
  },
};

/** @returns {MapsOfPage} */
function maps() {
  return /** @type {MapsOfPage} */ (page.maps);
}

/** The data of a document. @param {string} model @param {string} documentName @returns {Promise<MapData>} */
function load(model, documentName) {
  return loaded(`${model}/${documentName}`, [model, documentName]);
}

/** @param {string} key @param {string[]} path of the data file */
function loaded(key, path) {
  const data = loading.get(key) ?? fromFile(key, path);
  loading.set(key, data);
  return data;
}

/** @param {string} key @param {string[]} path @returns {Promise<any>} */
function fromFile(key, path) {
  const inFile = typeof textInside === "function" ? textInside(key) : null;
  if (inFile) return inFile;
  return new Promise((resolve, reject) => {
    waiting.set(key, resolve);
    const script = element("script", { src: `${maps().folder}/${path.map(encodeURIComponent).join("/")}.js` });
    script.onerror = () => reject(new Error(`${script.src} is not there`));
    document.head.append(script);
  });
}

// ---- Numbers ----

/** The attention that a byte stands for: the square of its part of 255. */
const ATTENTION = Float32Array.from({ length: 256 }, (_, step) => (step / 255) ** 2);

/**
 * A map of n x n cells. bytes: columns, one key after the other. first: tokens of each cell, as in the
 * data. isSum: whether a cell is the sum over its keys, not their mean.
 * @typedef {{n: number, bytes: Uint8Array, first: number[], isSum: boolean}} Matrix
 */

/** @param {string} model @param {string} documentName @param {string} map "3", the mean over the heads of layer 3, or "3-1" @returns {Promise<Matrix | null>} null without the map */
async function matrixOf(model, documentName, map) {
  const data = await load(model, documentName);
  const { first, maps: full } = data;
  if (full?.[map]) return { n: first.length - 1, bytes: await unpacked(full[map]), first, isSum: false };
  return hasMap(model, documentName, data, map) ? coarse(model, documentName, data, map) : null;
}

/** @param {Matrix} matrix @param {number} query @param {number} key */
function attentionOf(matrix, query, key) {
  return ATTENTION[matrix.bytes[key * matrix.n + query]];
}

/** What every key receives: mean over all queries. @param {Matrix} matrix @returns {Float64Array} */
function means({ n, bytes, first }) {
  const sums = new Float64Array(n);
  for (let key = 0; key < n; key++) {
    for (let query = 0; query < n; query++) sums[key] += ATTENTION[bytes[key * n + query]] * (first[query + 1] - first[query]);
  }
  return sums.map((sum) => sum / first[n]);
}

// ---- Colours ----

const FLOOR = 5e-3; // less is kept as nothing (sinkscope.extract.coarse); the logarithmic scale begins here

function scaleOf() {
  return address.get("scale") === "log" ? "log" : "linear";
}

/** Part of the colour scale, 0 to 1. @param {number} attention @param {string} scale */
function part(attention, scale) {
  if (scale === "linear") return attention;
  return Math.max(0, 1 - Math.log10(Math.max(attention, FLOOR)) / Math.log10(FLOOR));
}

/** RGBA of every byte, one after the other; no attention is transparent. @param {string} scale */
function pixelsOf(scale) {
  const table = new Uint8ClampedArray(256 * 4);
  for (let step = 0; step < 256; step++) {
    const at = Math.round(part(ATTENTION[step], scale) * 255);
    const hex = maps().colours[at];
    table.set([1, 3, 5].map((from) => parseInt(hex.slice(from, from + 2), 16)), step * 4);
    table[step * 4 + 3] = at === 0 ? 0 : 255;
  }
  return table;
}

/** The byte of an attention. @param {number} attention */
function byteOf(attention) {
  return Math.round(Math.sqrt(attention) * 255);
}
