// @ts-check
// The reader: the text of a document, each token shaded by the attention that it receives in a layer
// or head; of a token that is chosen, what it attends to and who attends to it. Two readers may stand
// side by side. What they show is in the address, that of the second with "b-" in front.
"use strict";

const MOST_TOKENS = 4000; // of a document on the page
const GUTTER = 24; // pixels of the numbers of layers beside the overview
const MOST_LISTED = 6; // keys and queries of a token
const SHADES = [0.1, 0.25, 0.5, 1]; // attention of the full shade

/** @type {MapData} */
const NOTHING = { tokens: [], texts: [], classes: [], first: [0], received: "", sinks: [], causal: true };

/** @type {Reader[]} */
let readers = [];

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

/** @param {number} value */
function shown(value) {
  return value < FLOOR ? `< ${FLOOR}` : value.toFixed(3).replace(/0$/, "");
}

/** One text. name: "" or "b-", in front of its parameters in the address. */
class Reader {
  /** @param {HTMLElement} place @param {string} name */
  constructor(place, name) {
    this.place = place;
    this.name = name;
    this.data = NOTHING; // until a document is loaded
    this.bytes = new Uint8Array();
    this.key = "";
    this.cell = 1; // pixels of a head in the overview
    this.models = maps().models;
    this.focused = 0; // the token that arrow keys move from
    this.controls = element("div", { class: "controls" });
    this.text = element("p", { class: "reading", tabindex: "0", role: "group", "aria-label": "Text; arrow keys move from token to token, Enter chooses one" });
    this.legend = element("p", { class: "shown" });
    this.grid = element("canvas", { class: "heads raster", tabindex: "0", role: "img" });
    this.gridText = element("p", { class: "readout", "aria-live": "polite" });
    this.token = element("div", { class: "of-token", "aria-live": "polite" });
    this.preview = element("div", { class: "thumbnails preview" });
    const overview = element("figure", { class: "all-heads" }, element("figcaption", {}, "Every head: the attention on its strongest key. Rows are layers, columns heads, the first the mean over heads; click one to read it and to see its map."), element("div", { class: "beside" }, this.grid, this.preview), this.gridText);
    place.replaceChildren(this.controls, this.legend, this.text, this.token, overview);
    this.watch();
  }

  // ---- State ----

  /** @param {string} key */
  get(key) {
    return address.get(this.name + key);
  }

  /** @param {Record<string, string | number | null>} changes */
  set(changes) {
    const named = Object.entries(changes).map(([key, value]) => [this.name + key, value]);
    address.set(Object.fromEntries(named), true);
    readers.forEach((reader) => reader.show());
  }

  get model() {
    const own = this.get("model") ?? address.get("model");
    return own && own in this.models ? own : Object.keys(this.models)[0];
  }

  /** @returns {MapEntry} */
  get entry() {
    const entries = this.models[this.model];
    const wanted = this.get("document") ?? address.get("document");
    return entries.find((entry) => entry.document === wanted) ?? entries[Math.floor(entries.length / 2)];
  }

  /** The layer that is read: the one of the address, or that in which some token receives most. */
  get layer() {
    const layer = Number(this.get("layer") ?? NaN);
    return this.entry.layers.includes(layer) ? layer : this.entry.layers[this.strongest];
  }

  /** Its row in the data: of hybrid models, not every layer has attention. */
  get row() {
    return this.entry.layers.indexOf(this.layer);
  }

  /** The head, or null for the mean over heads. */
  get head() {
    const head = Number(this.get("head") ?? NaN);
    return Number.isInteger(head) && head >= 0 && head < this.entry.n_heads ? head : null;
  }

  get chosen() {
    const token = Number(this.get("token") ?? NaN);
    return Number.isInteger(token) && token >= 0 && token < this.data.tokens.length ? token : null;
  }

  get full() {
    const shade = Number(address.get("shade"));
    return SHADES.includes(shade) ? shade : 0.5;
  }

  // ---- Numbers ----

  /** What each token receives. @param {number} row of the layers @param {number} column 0, the mean over heads, or 1 + head */
  received(row, column) {
    const n = this.data.tokens.length;
    const start = (row * (1 + this.entry.n_heads) + column) * n;
    return Array.from(this.bytes.subarray(start, start + n), (byte) => ATTENTION[byte]);
  }

  get strongest() {
    const most = this.entry.layers.map((_, row) => this.peak(row, 0));
    return most.indexOf(Math.max(...most));
  }

  /** The most that a token receives, of those that many queries see. @param {number} row @param {number} column */
  peak(row, column) {
    const n = this.data.tokens.length;
    const seen = this.data.causal ? Math.max(1, n - (page.n_see ?? 1) + 1) : n;
    return Math.max(...this.received(row, column).slice(0, seen));
  }

  // ---- Showing ----

  async show() {
    const { model, entry } = this;
    const key = `${model}/${entry.document}`;
    if (this.key !== key) {
      const data = await load(model, entry.document);
      const bytes = await unpacked(data.received);
      if (key !== `${this.model}/${this.entry.document}`) return; // another was chosen meanwhile
      Object.assign(this, { key, data, bytes });
      this.writeText();
    }
    this.showControls();
    await this.shade();
    this.paintGrid();
    showPreview(this.preview, this.model, this.entry.document, this.map, this.hasMap(this.map));
  }

  writeText() {
    const spans = this.data.texts.slice(0, MOST_TOKENS).map((text, i) => {
      const special = !["first", "word", "number", "terminator", "punctuation", "newline", "space"].includes(this.data.classes[i]);
      const span = element("span", { "data-token": String(i) }, special ? ` ${this.data.tokens[i]} ` : text.replaceAll("\n", "⏎\n"));
      if (special) span.className = "special";
      return span;
    });
    const rest = this.data.texts.length - MOST_TOKENS;
    this.text.replaceChildren(...spans, ...(rest > 0 ? [` … ${rest.toLocaleString("en")} more tokens`] : []));
  }

  showControls() {
    const { entry } = this;
    /** @type {[string, string][]} */
    const layers = entry.layers.map((layer) => [String(layer), `layer ${layer}`]);
    /** @type {[string, string][]} */
    const heads = Array.from({ length: entry.n_heads }, (_, i) => [String(i), `head ${i}`]);
    /** @param {string[]} names @returns {[string, string][]} */
    const same = (names) => names.map((name) => [name, name]);
    const model = menu(same(Object.keys(this.models)), this.model);
    const documents = menu(same(this.models[this.model].map((one) => one.document)), entry.document);
    const layer = menu(layers, String(this.layer));
    const head = menu([["", "mean over heads"], ...heads], this.head === null ? "" : String(this.head));
    const shade = menu(SHADES.map((value) => [String(value), String(value)]), String(this.full));
    model.addEventListener("change", () => this.set({ model: model.value, layer: null, head: null, token: null }));
    documents.addEventListener("change", () => this.set({ document: documents.value, token: null }));
    layer.addEventListener("change", () => this.set({ layer: layer.value }));
    head.addEventListener("change", () => this.set({ layer: this.layer, head: head.value || null }));
    shade.addEventListener("change", () => {
      address.set({ shade: shade.value === "0.5" ? null : shade.value });
      readers.forEach((reader) => reader.show());
    });
    const map = element("button", { type: "button" }, `Map of ${titleOf(this.map)}`);
    map.hidden = !this.hasMap(this.map);
    map.addEventListener("click", () => openMap(this.model, entry.document, this.map));
    const focused = [...this.controls.querySelectorAll("select")].indexOf(/** @type {HTMLSelectElement} */ (document.activeElement));
    this.controls.replaceChildren(labelled("Model", model), labelled("Document", documents), labelled("Layer", layer),
      labelled("Head", head), labelled("Full shade at", shade), map);
    this.controls.querySelectorAll("select")[focused]?.focus();
  }

  get map() {
    return this.head === null ? String(this.layer) : `${this.layer}-${this.head}`;
  }

  /** @param {string} map */
  hasMap(map) {
    return hasMap(this.model, this.entry.document, this.data, map);
  }

  async shade() {
    const values = this.received(this.row, this.head === null ? 0 : this.head + 1);
    const sinks = new Set(this.data.sinks[this.row]);
    const token = this.chosen;
    const around = token === null ? null : await this.around(token);
    const spans = /** @type {NodeListOf<HTMLElement>} */ (this.text.querySelectorAll("[data-token]"));
    spans.forEach((span, i) => {
      const background = around ? around.to(i) : values[i];
      this.paint(span, background, around ? around.from(i) : 0);
      span.classList.toggle("sink", sinks.has(i));
      span.classList.toggle("chosen", i === token);
      span.title = `${i} "${this.data.tokens[i]}" (${this.data.classes[i]}) receives ${shown(values[i])}${sinks.has(i) ? "; a sink of this layer" : ""}`;
    });
    const what = titleOf(this.map) + (this.head === null ? ", mean over heads" : "");
    this.legend.textContent = token === null || !around
      ? `${what}: a token is shaded by what it receives, mean over the queries that see it; full shade at ${this.full}. Dotted: a sink. Click a token.`
      : `${what}: shaded is what "${this.data.tokens[token]}" (${token}) attends to, underlined who attends to it; full at ${this.full}. Click it again for the whole text.`;
    this.showToken(token, values, around);
  }

  /** @param {HTMLElement} span @param {number} value @param {number} line */
  paint(span, value, line) {
    const part = Math.min(1, value / this.full);
    span.style.setProperty("--shade", `${Math.round(part * 100)}%`);
    span.style.setProperty("--line", `${Math.round(Math.min(1, line / this.full) * 100)}%`);
    span.classList.toggle("strong", part > 0.55);
  }

  /** Attention from and to a token, by token. A block average has that of the token's block. @param {number} token */
  async around(token) {
    const map = this.hasMap(this.map) ? this.map : String(this.layer);
    const matrix = await matrixOf(this.model, this.entry.document, map);
    if (!matrix) return null;
    const { first, isSum } = matrix;
    /** @param {number} cell */
    const nKeys = (cell) => (isSum ? first[cell + 1] - first[cell] : 1);
    const cells = new Uint16Array(this.data.tokens.length);
    for (let cell = 0; cell + 1 < first.length; cell++) cells.fill(cell, first[cell], first[cell + 1]);
    const isMean = map !== this.map;
    return {
      isMean, block: Math.max(...first.slice(1).map((at, cell) => at - first[cell])),
      /** @param {number} key */
      to: (key) => attentionOf(matrix, cells[token], cells[key]) / nKeys(cells[key]),
      /** @param {number} query */
      from: (query) => attentionOf(matrix, cells[query], cells[token]) / nKeys(cells[token]),
    };
  }

  /** @param {number | null} token @param {number[]} values @param {Awaited<ReturnType<Reader["around"]>>} around */
  showToken(token, values, around) {
    if (token === null) { this.token.replaceChildren(); return; }
    const title = element("h3", {}, `"${this.data.tokens[token]}", token ${token} (${this.data.classes[token]})`);
    const text = element("p", {}, `It receives ${shown(values[token])}${this.data.sinks[this.row].includes(token) ? ": it is a sink of this layer" : ""}.`);
    if (!around) {
      text.append(" The maps of this document are not in this file: open the report's folder to see the tokens that it attends to.");
      this.token.replaceChildren(title, text);
      return;
    }
    if (around.isMean) text.append(` No map of this head is kept (settings head_documents, head_maps); below is the mean over heads of layer ${this.layer}.`);
    if (around.block > 1) text.append(` The map is averaged in blocks of ${around.block} tokens.`);
    const lists = element("div", { class: "columns" }, this.list("Tokens that it attends to", around.to), this.list("Tokens that attend to it", around.from));
    this.token.replaceChildren(title, text, lists);
  }

  /** @param {string} title @param {(token: number) => number} attention */
  list(title, attention) {
    const all = this.data.tokens.map((_, i) => i).sort((a, b) => attention(b) - attention(a) || a - b);
    const items = all.slice(0, MOST_LISTED).filter((i) => attention(i) >= FLOOR).map((i) => {
      const button = element("button", { type: "button" }, `${this.data.tokens[i]} ${i}`);
      button.addEventListener("click", () => this.set({ token: i }));
      const bar = element("i");
      bar.style.width = `${(100 * attention(i)).toFixed(1)}%`;
      return element("li", {}, button, ` ${attention(i).toFixed(3)}`, bar);
    });
    return element("section", {}, element("h4", {}, title), element("ol", {}, ...items));
  }

  // ---- The overview of all heads ----

  paintGrid() {
    const { layers, n_heads: heads } = this.entry;
    const cell = Math.max(6, Math.min(18, Math.floor(640 / (heads + 2))));
    this.grid.width = GUTTER + (heads + 2) * cell;
    this.grid.height = layers.length * cell;
    this.cell = cell;
    const context = /** @type {CanvasRenderingContext2D} */ (this.grid.getContext("2d"));
    for (let row = 0; row < layers.length; row++) {
      for (let column = 0; column <= heads; column++) {
        context.fillStyle = maps().colours[Math.round(this.peak(row, column) * 255)];
        context.fillRect(this.left(column), row * cell, cell - 1, cell - 1);
      }
    }
    context.fillStyle = "#808080";
    context.font = "10px sans-serif";
    context.textBaseline = "top";
    // As many numbers as fit below each other.
    const every = Math.ceil(12 / cell);
    layers.forEach((layer, row) => { if (row % every === 0) context.fillText(String(layer), 2, row * cell + 2); });
    context.strokeStyle = "#d55e00";
    context.lineWidth = 2;
    context.strokeRect(this.left(this.head === null ? 0 : this.head + 1) - 1, this.row * cell - 1, cell + 1, cell + 1);
    this.grid.setAttribute("aria-label", `${layers.length} layers and ${heads} heads; arrow keys choose another, Enter opens its map. Now ${titleOf(this.map)}`);
    this.gridText.textContent = this.about(this.row, this.head);
  }

  /** The mean stands apart from the heads. @param {number} column */
  left(column) {
    return GUTTER + (column + (column ? 1 : 0)) * this.cell;
  }

  /** @param {number} row @param {number | null} head */
  about(row, head) {
    const column = head === null ? 0 : head + 1;
    const peak = this.peak(row, column);
    const at = this.received(row, column).indexOf(peak);
    const layer = this.entry.layers[row];
    const what = head === null ? `layer ${layer}, mean over heads` : `layer ${layer}, head ${head}`;
    return `${what}: "${this.data.tokens[at]}" (${at}) receives ${shown(peak)}`;
  }

  /** Row and head under the pointer. @param {MouseEvent} event @returns {[number, number | null] | null} */
  headAt(event) {
    const box = this.grid.getBoundingClientRect();
    const scale = this.grid.width / box.width;
    const x = Math.floor(((event.clientX - box.left) * scale - GUTTER) / this.cell);
    const y = Math.floor(((event.clientY - box.top) * scale) / this.cell);
    if (x === 1 || y < 0 || y >= this.entry.layers.length || x < 0 || x > this.entry.n_heads + 1) return null;
    return [y, x === 0 ? null : x - 2];
  }

  // ---- Clicks and keys ----

  watch() {
    this.text.addEventListener("click", (event) => {
      const span = event.target instanceof Element ? event.target.closest("[data-token]") : null;
      if (span instanceof HTMLElement) this.choose(Number(span.dataset.token));
    });
    this.text.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (by) this.focusOn(this.focused + by);
      else if (event.key === "Enter") this.choose(this.focused);
      else if (event.key === "Escape" && this.chosen !== null) this.set({ token: null });
      else return;
      event.preventDefault();
    });
    this.grid.addEventListener("click", (event) => {
      const at = this.headAt(event);
      if (at) this.set({ layer: this.entry.layers[at[0]], head: at[1] });
    });
    this.grid.addEventListener("pointermove", (event) => {
      const at = this.headAt(event);
      this.gridText.textContent = at ? this.about(...at) : this.about(this.row, this.head);
    });
    this.grid.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && this.hasMap(this.map)) openMap(this.model, this.entry.document, this.map);
      const move = MOVES[event.key];
      if (!move) return;
      event.preventDefault();
      const { layers } = this.entry;
      const layer = layers[Math.min(layers.length - 1, Math.max(0, this.row + move[0]))];
      const head = Math.min(this.entry.n_heads - 1, (this.head ?? -1) + move[1]);
      this.set({ layer, head: head < 0 ? null : head });
    });
  }

  /** @param {number} token */
  choose(token) {
    this.focused = token;
    this.set({ token: token === this.chosen ? null : token });
  }

  /** @param {number} token */
  focusOn(token) {
    const spans = this.text.querySelectorAll("[data-token]");
    this.focused = Math.min(spans.length - 1, Math.max(0, token));
    this.text.querySelector(".focused")?.classList.remove("focused");
    const span = /** @type {HTMLElement} */ (spans[this.focused]);
    span.classList.add("focused");
    span.scrollIntoView({ block: "nearest" });
    this.text.setAttribute("aria-label", span.title);
  }
}

// ---- Side by side ----

function showReaders() {
  const isTwo = [...address.parameters().keys()].some((name) => name.startsWith("b-"));
  const places = [byId("reader"), byId("beside")];
  places[1].hidden = !isTwo;
  byId("readers").classList.toggle("two", isTwo);
  readers = [readers[0] ?? new Reader(places[0], ""), ...(isTwo ? [readers[1] ?? new Reader(places[1], "b-")] : [])];
  byId("one-more").hidden = isTwo;
  byId("one-less").hidden = !isTwo;
  document.title = `${readers[0].model}, ${readers[0].entry.document} · Sinkscope`;
  return Promise.all(readers.map((reader) => reader.show()));
}

function startReader() {
  if (!document.getElementById("readers")) return;
  readers = [];
  byId("one-more").addEventListener("click", () => {
    const [{ models, model, entry }] = readers;
    const other = Object.keys(models).find((name) => name !== model && models[name].some((one) => one.document === entry.document));
    address.set({ "b-model": other ?? model, "b-document": entry.document }, true);
    showReaders();
  });
  byId("one-less").addEventListener("click", () => {
    const names = [...address.parameters().keys()].filter((name) => name.startsWith("b-"));
    address.set(Object.fromEntries(names.map((name) => [name, null])), true);
    showReaders();
  });
  onState(showReaders);
  showReaders();
}

starts.push(startReader);
