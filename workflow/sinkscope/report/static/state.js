// @ts-check
// What a page shows is in its address, so that a link, a reload and Back lead to the same view.
"use strict";

/**
 * The parameters of the address, after the question mark; the fragment stays free for anchors.
 *
 * Modules read it when they start and whenever the reader goes back or forward (onState).
 */
const address = {
  // Where a browser forbids to change the address (a page inside a notebook), the state is kept here.
  memory: /** @type {URLSearchParams | null} */ (null),

  parameters() {
    return this.memory ?? new URLSearchParams(location.search);
  },

  /** @param {string} name @returns {string | null} */
  get(name) {
    return this.parameters().get(name);
  },

  /**
   * @param {Record<string, string | number | null | undefined>} changes null removes a parameter
   * @param {boolean} [step] whether Back leads to the view before
   */
  set(changes, step = false) {
    const parameters = new URLSearchParams(this.parameters());
    for (const [name, value] of Object.entries(changes)) {
      if (value === null || value === undefined || value === "") parameters.delete(name);
      else parameters.set(name, String(value));
    }
    const query = parameters.toString();
    if (query === this.parameters().toString()) return;
    this.write((query ? `?${query}` : location.pathname.replace(/^.*\//, "") || "./") + location.hash, step, parameters);
  },

  /** @param {string} url @param {boolean} step @param {URLSearchParams} parameters */
  write(url, step, parameters) {
    try {
      if (this.memory) throw new Error("kept in memory");
      history[step ? "pushState" : "replaceState"]({}, "", url);
    } catch {
      this.memory = parameters;
    }
  },
};

// Parameters that a link to another page of the report takes along.
const CARRIED = ["theme", "document", "highlight"];

/**
 * The address of another page, with what is picked here.
 * @param {string} href
 */
function carried(href) {
  const [path, fragment = ""] = href.split("#", 2);
  const [file, query = ""] = path.split("?", 2);
  const parameters = new URLSearchParams(query);
  for (const name of CARRIED) {
    const value = address.get(name);
    if (value !== null && !parameters.has(name)) parameters.set(name, value);
  }
  const all = parameters.toString();
  return file + (all ? `?${all}` : "") + (fragment && `#${fragment}`);
}

/** @type {(() => void)[]} */
let watchers = [];

/** @param {() => void} watcher called when the reader has gone back or forward */
function onState(watcher) {
  watchers.push(watcher);
}

// ---- The values of the page, and what its pickers say ----

/** @type {PageData} */
let page = {};

/** What the pickers say. Charts take it as a parameter of the same name. @type {Record<string, string>} */
const picked = {};

/** Starts of the scripts that only some pages have, such as maps. @type {(() => void)[]} */
const starts = [];

function readPage() {
  page = JSON.parse(byId("page-data").textContent ?? "{}");
  for (const name of Object.keys(picked)) delete picked[name];
  watchers = [];
}

/** @param {string} id @returns {HTMLElement} */
function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no element ${id}`);
  return element;
}

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, string>} [attributes]
 * @param {...(string | Node)} children
 */
function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// ---- Compressed texts ----

/** Bytes of base64 text that was compressed. @param {string} text */
async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** A value that was compressed. @param {string} text @returns {Promise<any>} */
async function parsed(text) {
  return JSON.parse(new TextDecoder().decode(await unpacked(text)));
}

/** The specification of a figure. @param {string} id of its element @returns {Promise<VegaLiteSpec>} */
function specIn(id) {
  return parsed(byId(id).textContent ?? "");
}

/** @param {string} name @param {string} value */
function pick(name, value) {
  picked[name] = value;
  document.dispatchEvent(new CustomEvent("pick", { detail: { name, value } }));
}

/** The parameter of the address that a picker fills. @param {string} name */
function parameterOf(name) {
  return name === "model" ? "highlight" : name;
}

function startPickers() {
  const pickers = /** @type {NodeListOf<HTMLSelectElement>} */ (document.querySelectorAll("select[data-picks]"));
  for (const select of pickers) {
    const name = select.dataset.picks ?? "";
    const first = select.options[0].value;
    const wanted = () => {
      const value = address.get(parameterOf(name));
      return [...select.options].some((option) => option.value === value) ? String(value) : first;
    };
    picked[name] = select.value = wanted(); // a browser may restore an earlier choice
    select.addEventListener("change", () => {
      address.set({ [parameterOf(name)]: select.value === first ? null : select.value }, true);
      pick(name, select.value);
    });
    onState(() => {
      if (select.value === wanted() && picked[name] === wanted()) return;
      select.value = wanted();
      pick(name, select.value);
    });
  }
  const pages = /** @type {HTMLSelectElement | null} */ (document.querySelector("select[data-opens]"));
  if (pages) {
    pages.value = pages.dataset.opens ?? "";
    pages.addEventListener("change", () => goTo(pages.value));
    onState(() => { pages.value = pages.dataset.opens ?? ""; }); // Back, after another was chosen
  }
}

// ---- Theme ----

const THEMES = ["auto", "light", "dark"];
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

/** @param {string} [value] */
function stored(value) {
  try { // a browser may forbid storage to pages opened from a disk
    if (value !== undefined) localStorage.setItem("sinkscope-theme", value);
    return localStorage.getItem("sinkscope-theme");
  } catch { return value ?? null; }
}

/** @param {string | null} theme */
function setTheme(theme) {
  const known = theme !== null && THEMES.includes(theme) ? theme : "auto";
  const root = document.documentElement;
  root.dataset.theme = known;
  root.toggleAttribute("data-dark", known === "dark" || (known === "auto" && systemIsDark.matches));
  byId("theme").textContent = `Theme: ${known}`;
  document.dispatchEvent(new CustomEvent("theme"));
}

function startTheme() {
  const wanted = () => setTheme(address.get("theme") ?? stored());
  wanted();
  onState(wanted);
  byId("theme").addEventListener("click", () => {
    const now = THEMES.indexOf(document.documentElement.dataset.theme ?? "auto");
    const theme = THEMES[(now + 1) % THEMES.length];
    address.set({ theme });
    stored(theme);
    setTheme(theme);
  });
}
