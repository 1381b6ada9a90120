// @ts-check
// The menus of a reader: model, document, layer, head and shade.
"use strict";

/** @param {string} label @param {HTMLElement} control */
function labelled(label, control) {
  return element("label", {}, `${label} `, control);
}

/** @param {[string, string][]} options value and text @param {string} value */
function menu(options, value) {
  const select = element("select");
  select.append(...options.map(([key, text]) => new Option(text, key)));
  select.value = value;
  return select;
}

/** @param {Reader} reader */
function showControls(reader) {
  const { entry } = reader;
  /** @type {[string, string][]} */
  const layers = entry.layers.map((layer) => [String(layer), `layer ${layer}`]);
  /** @type {[string, string][]} */
  const heads = Array.from({ length: entry.n_heads }, (_, i) => [String(i), `head ${i}`]);
  /** @param {string[]} names @returns {[string, string][]} */
  const same = (names) => names.map((name) => [name, name]);
  const model = menu(same(Object.keys(reader.models)), reader.model);
  const documents = menu(same(reader.models[reader.model].map((one) => one.document)), entry.document);
  const layer = menu(layers, String(reader.layer));
  const head = menu([["", "mean over heads"], ...heads], reader.head === null ? "" : String(reader.head));
  const shade = menu(SHADES.map((value) => [String(value), String(value)]), String(reader.full));
  model.addEventListener("change", () => reader.set({ model: model.value, layer: null, head: null, token: null }));
  documents.addEventListener("change", () => reader.set({ document: documents.value, token: null }));
  layer.addEventListener("change", () => reader.set({ layer: layer.value }));
  head.addEventListener("change", () => reader.set({ layer: reader.layer, head: head.value || null }));
  shade.addEventListener("change", () => {
    address.set({ shade: shade.value === "0.5" ? null : shade.value });
    showAgain();
  });
  const map = element("button", { type: "button" }, `Map of ${titleOf(reader.map)}`);
  map.hidden = !reader.hasMap(reader.map);
  map.addEventListener("click", () => openMap(reader.model, entry.document, reader.map));
  const focused = [...reader.controls.querySelectorAll("select")].indexOf(/** @type {HTMLSelectElement} */ (document.activeElement));
  reader.controls.replaceChildren(labelled("Model", model), labelled("Document", documents), labelled("Layer", layer),
    labelled("Head", head), labelled("Full shade at", shade), map);
  reader.controls.querySelectorAll("select")[focused]?.focus();
}
