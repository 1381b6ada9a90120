// Heat maps: data files, thumbnails, tokens. The dialog of a full map is in dialog.js.
"use strict";

const maps = page.maps;
const received = new Map();
const waiting = new Map();

// Data files call this: a page opened from a disk may load scripts, but not fetch.
window.sinkscope = {
  receive(key, value) {
    received.set(key, value);
    waiting.get(key)?.(value);
  },
};

function load(path) {
  const key = `${page.model}/${path}`;
  if (received.has(key)) return Promise.resolve(received.get(key));
  return new Promise((resolve, reject) => {
    waiting.set(key, resolve);
    const script = document.createElement("script");
    script.src = `${maps.folder}/${path}.js`;
    script.onerror = () => reject(new Error(`${script.src} is not there`));
    document.head.append(script);
  });
}

// Rows of a map as numbers of steps, Uint16Array of n_cells x n_cells.
async function matrixOf(documentName, map) {
  const text = await load(`${documentName}/${map}`);
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint16Array(await new Response(stream).arrayBuffer());
}

function entryOf(documentName) {
  return maps.documents.find((entry) => entry.document === documentName);
}

function shownDocument() {
  return entryOf(picked.document) ? picked.document : page.first_document;
}

// "12" is a layer's head mean, "12-3" head 3 of layer 12.
function titleOf(map) {
  const [layer, head] = map.split("-");
  return head === undefined ? `layer ${layer}` : `layer ${layer}, head ${head}`;
}

function mapsOf(entry, single) {
  if (single) return entry.heads.map((head) => head.join("-"));
  return entry.layers.map(String);
}

function thumbnail(documentName, map) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  const image = document.createElement("img");
  image.src = maps.images?.[map] ?? `${maps.folder}/${documentName}/${map}.png`;
  image.alt = "";
  image.className = "raster";
  image.loading = "lazy";
  button.type = "button";
  button.dataset.map = map;
  button.setAttribute("aria-label", `Open the heat map of ${titleOf(map)}`);
  button.append(image, titleOf(map));
  button.addEventListener("click", () => openMap(documentName, map));
  item.append(button);
  return item;
}

async function showTokens(documentName) {
  const { tokens, classes } = await load(`${documentName}/tokens`);
  const spans = tokens.map((token, position) => {
    const span = document.createElement("span");
    span.textContent = token;
    span.title = `${position}: ${classes[position]}`;
    span.style.setProperty("--class", maps.class_colours[classes[position]]);
    return span;
  });
  document.getElementById("tokens").replaceChildren(...spans);
}

function showMaps() {
  const entry = entryOf(shownDocument());
  document.getElementById("maps-document").textContent =
    `${entry.document}: ${entry.n_tokens.toLocaleString("en")} tokens` +
    (entry.n_cells < entry.n_tokens ? `, averaged in ${entry.n_cells} blocks a side` : "");
  for (const [id, single] of [["layers", false], ["single-heads", true]]) {
    const list = document.getElementById(id);
    list.replaceChildren(...mapsOf(entry, single).map((map) => thumbnail(entry.document, map)));
    list.closest("div").hidden = list.children.length === 0;
  }
  showTokens(entry.document);
}

document.addEventListener("pick", (event) => {
  if (event.detail.name === "document") showMaps();
});
