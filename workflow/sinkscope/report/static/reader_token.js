// @ts-check
// A token that is chosen in a reader: what it attends to, and who attends to it.
"use strict";

const MOST_LISTED = 6; // keys and queries of a token

/** @typedef {{isMean: boolean, block: number, to: (key: number) => number, from: (query: number) => number}} Around */

/** Attention from and to a token, by token. A block average has that of the token's block.
 * @param {Reader} reader @param {number} token @returns {Promise<Around | null>}
 */
async function attentionAround(reader, token) {
  const map = reader.hasMap(reader.map) ? reader.map : String(reader.layer);
  const matrix = await matrixOf(reader.model, reader.entry.document, map);
  if (!matrix) return null;
  const { first, isSum } = matrix;
  /** @param {number} cell */
  const nKeys = (cell) => (isSum ? first[cell + 1] - first[cell] : 1);
  const cells = new Uint16Array(reader.data.tokens.length);
  for (let cell = 0; cell + 1 < first.length; cell++) cells.fill(cell, first[cell], first[cell + 1]);
  const isMean = map !== reader.map;
  return {
    isMean, block: Math.max(...first.slice(1).map((at, cell) => at - first[cell])),
    /** @param {number} key */
    to: (key) => attentionOf(matrix, cells[token], cells[key]) / nKeys(cells[key]),
    /** @param {number} query */
    from: (query) => attentionOf(matrix, cells[query], cells[token]) / nKeys(cells[token]),
  };
}

/** @param {Reader} reader @param {number | null} token @param {number[]} values @param {Around | null} around */
function showToken(reader, token, values, around) {
  if (token === null) { reader.token.replaceChildren(); return; }
  const title = element("h3", {}, `"${reader.data.tokens[token]}", token ${token} (${reader.data.classes[token]})`);
  const text = element("p", {}, `It receives ${shown(values[token])}${reader.data.sinks[reader.row].includes(token) ? ": it is a sink of this layer" : ""}.`);
  if (!around) {
    text.append(" The maps of this document are not in this file: open the report's folder to see the tokens that it attends to.");
    reader.token.replaceChildren(title, text);
    return;
  }
  if (around.isMean) text.append(` No map of this head is kept (settings head_documents, head_maps); below is the mean over heads of layer ${reader.layer}.`);
  if (around.block > 1) text.append(` The map is averaged in blocks of ${around.block} tokens.`);
  const lists = element("div", { class: "columns" }, tokenList(reader, "Tokens that it attends to", around.to), tokenList(reader, "Tokens that attend to it", around.from));
  reader.token.replaceChildren(title, text, lists);
}

/** @param {Reader} reader @param {string} title @param {(token: number) => number} attention */
function tokenList(reader, title, attention) {
  const all = reader.data.tokens.map((_, i) => i).sort((a, b) => attention(b) - attention(a) || a - b);
  const items = all.slice(0, MOST_LISTED).filter((i) => attention(i) >= FLOOR).map((i) => {
    const button = element("button", { type: "button" }, `${reader.data.tokens[i]} ${i}`);
    button.addEventListener("click", () => reader.set({ token: i }));
    const bar = element("i");
    bar.style.width = `${(100 * attention(i)).toFixed(1)}%`;
    return element("li", {}, button, ` ${attention(i).toFixed(3)}`, bar);
  });
  return element("section", {}, element("h4", {}, title), element("ol", {}, ...items));
}
