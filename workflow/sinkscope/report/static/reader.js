// @ts-check
// The reader: the text of a document, each token shaded by the attention that it receives in a layer
// or head; of a token that is chosen, what it attends to and who attends to it. What it shows is in
// the address.
"use strict";

const MOST_TOKENS = 4000; // of a document on the page
const SHADES = [0.1, 0.25, 0.5, 1]; // attention of the full shade

/** @type {MapData} */
const NOTHING = { tokens: [], texts: [], classes: [], first: [0], received: "", sinks: [], causal: true };

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
    this.models = maps().models;
    this.focused = 0; // the token that arrow keys move from
    this.controls = element("div", { class: "controls" });
    this.text = element("p", { class: "reading", tabindex: "0", role: "group", "aria-label": "Text; arrow keys move from token to token, Enter chooses one" });
    this.legend = element("p", { class: "shown" });
    this.token = element("div", { class: "of-token", "aria-live": "polite" });
    this.overview = new HeadsOverview(this);
    place.replaceChildren(this.controls, this.legend, this.text, this.token, this.overview.figure);
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
    showAgain();
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
    showControls(this);
    await this.shade();
    this.overview.show();
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
    const around = token === null ? null : await attentionAround(this, token);
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
    showToken(this, token, values, around);
  }

  /** @param {HTMLElement} span @param {number} value @param {number} line */
  paint(span, value, line) {
    const part = Math.min(1, value / this.full);
    span.style.setProperty("--shade", `${Math.round(part * 100)}%`);
    span.style.setProperty("--line", `${Math.round(Math.min(1, line / this.full) * 100)}%`);
    span.classList.toggle("strong", part > 0.55);
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

