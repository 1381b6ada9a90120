// @ts-check
// The dialog of a full heat map (matrix.js): opening it, and going from map to map.
"use strict";

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
