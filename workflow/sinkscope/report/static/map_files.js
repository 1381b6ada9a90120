// @ts-check
// The shown part of a full heat map as a file: with model, document, layer, unit and scale in the picture.
"use strict";

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
