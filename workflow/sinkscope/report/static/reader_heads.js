// @ts-check
// The overview of a reader: layers x heads, each shaded by the attention on its strongest key. A click
// on a cell reads the head and shows its map.
"use strict";

const GUTTER = 24; // pixels of the numbers of layers beside the overview

class HeadsOverview {
  /** @param {Reader} reader */
  constructor(reader) {
    this.reader = reader;
    this.cell = 1; // pixels of a head
    this.canvas = element("canvas", { class: "heads raster", tabindex: "0", role: "img" });
    this.readout = element("p", { class: "readout", "aria-live": "polite" });
    this.preview = element("div", { class: "thumbnails preview" });
    this.caption = element("figcaption");
    this.figure = element("figure", { class: "all-heads" }, this.caption, element("div", { class: "beside" }, this.canvas, this.preview), this.readout);
    this.watch();
  }

  show() {
    const { reader } = this;
    const click = reader.data.maps ? "click one to read it and to see its map." : "click one to read it. Its map is in the report's folder, not in this file.";
    this.caption.textContent = `Every head: the attention on its strongest key. Rows are layers, columns heads, the first the mean over heads; ${click}`;
    this.paint();
    showPreview(this.preview, reader.model, reader.entry.document, reader.map, reader.hasMap(reader.map));
  }

  paint() {
    const { reader } = this;
    const { layers, n_heads: heads } = reader.entry;
    const cell = Math.max(6, Math.min(18, Math.floor(640 / (heads + 2))));
    this.canvas.width = GUTTER + (heads + 2) * cell;
    this.canvas.height = layers.length * cell;
    this.cell = cell;
    const context = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    for (let row = 0; row < layers.length; row++) {
      for (let column = 0; column <= heads; column++) {
        context.fillStyle = maps().colours[Math.round(reader.peak(row, column) * 255)];
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
    context.strokeRect(this.left(reader.head === null ? 0 : reader.head + 1) - 1, reader.row * cell - 1, cell + 1, cell + 1);
    this.canvas.setAttribute("aria-label", `${layers.length} layers and ${heads} heads; arrow keys choose another, Enter opens its map. Now ${titleOf(reader.map)}`);
    this.readout.textContent = this.about(reader.row, reader.head);
  }

  /** The mean stands apart from the heads. @param {number} column */
  left(column) {
    return GUTTER + (column + (column ? 1 : 0)) * this.cell;
  }

  /** @param {number} row @param {number | null} head */
  about(row, head) {
    const { reader } = this;
    const column = head === null ? 0 : head + 1;
    const peak = reader.peak(row, column);
    const at = reader.received(row, column).indexOf(peak);
    const layer = reader.entry.layers[row];
    const what = head === null ? `layer ${layer}, mean over heads` : `layer ${layer}, head ${head}`;
    return `${what}: "${reader.data.tokens[at]}" (${at}) receives ${shown(peak)}`;
  }

  /** Row and head under the pointer. @param {MouseEvent} event @returns {[number, number | null] | null} */
  headAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const scale = this.canvas.width / box.width;
    const x = Math.floor(((event.clientX - box.left) * scale - GUTTER) / this.cell);
    const y = Math.floor(((event.clientY - box.top) * scale) / this.cell);
    const { layers, n_heads: heads } = this.reader.entry;
    if (x === 1 || y < 0 || y >= layers.length || x < 0 || x > heads + 1) return null;
    return [y, x === 0 ? null : x - 2];
  }

  watch() {
    const { reader } = this;
    this.canvas.addEventListener("click", (event) => {
      const at = this.headAt(event);
      if (at) reader.set({ layer: reader.entry.layers[at[0]], head: at[1] });
    });
    this.canvas.addEventListener("pointermove", (event) => {
      const at = this.headAt(event);
      this.readout.textContent = at ? this.about(...at) : this.about(reader.row, reader.head);
    });
    this.canvas.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && reader.hasMap(reader.map)) openMap(reader.model, reader.entry.document, reader.map);
      const move = MOVES[event.key];
      if (!move) return;
      event.preventDefault();
      const { layers } = reader.entry;
      const layer = layers[Math.min(layers.length - 1, Math.max(0, reader.row + move[0]))];
      const head = Math.min(reader.entry.n_heads - 1, (reader.head ?? -1) + move[1]);
      reader.set({ layer, head: head < 0 ? null : head });
    });
  }
}
