// @ts-check
// Figures with a panel or a line per model show a dozen of many: those that are searched for. The search
// is in the address (models=...); all=1 shows all.
"use strict";

const MOST_MODELS = 12;

/** Rows of a CSV text as they are written, each with its fields. @param {string} text */
function rawRows(text) {
  /** @type {{raw: string, fields: string[]}[]} */
  const rows = [];
  let row = { raw: "", fields: /** @type {string[]} */ ([]) };
  for (const [raw, field, end] of text.matchAll(/("(?:[^"]|"")*"|[^,\n]*)(,|\n)/g)) {
    row.raw += raw;
    row.fields.push(field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field);
    if (end !== "\n") continue;
    rows.push(row);
    row = { raw: "", fields: [] };
  }
  return rows;
}

/** Those of the names that are shown. @param {string[]} names */
function fewOf(names) {
  const words = (address.get("models") ?? "").toLowerCase();
  const found = names.filter((name) => name.toLowerCase().includes(words));
  if (address.get("all")) return found;
  const first = found.filter((name) => name === picked.model);
  return [...first, ...found.filter((name) => name !== picked.model)].slice(0, MOST_MODELS);
}

/** The model that a panel of a chart is about, by its filter. @param {VegaLiteSpec} panel @returns {string | null} */
function modelOfPanel(panel) {
  const parts = [panel, ...(panel.layer ?? []), ...(panel.hconcat ?? []), ...(panel.vconcat ?? [])];
  const filters = parts.flatMap((part) => part.transform ?? []).map((step) => step.filter);
  return filters.find((filter) => filter?.field === "model")?.equal ?? null;
}

/**
 * Leave a dozen models in a specification that has many; returns how many of how many, or null.
 * @param {VegaLiteSpec} spec @returns {{shown: number, all: number} | null}
 */
function leaveFew(spec) {
  if (!spec.facet && !spec.concat) return null;
  const [[name, text]] = Object.entries(spec.datasets);
  const [head, ...rows] = rawRows(text);
  const column = head.fields.indexOf("model");
  const names = [...new Set(rows.map((row) => row.fields[column]))];
  if (column < 0 || names.length <= MOST_MODELS) return null;
  const few = new Set(fewOf(names));
  spec.datasets[name] = head.raw + rows.filter((row) => few.has(row.fields[column])).map((row) => row.raw).join("");
  if (spec.concat) {
    spec.concat = spec.concat.filter((panel) => {
      const model = modelOfPanel(panel);
      return model === null || few.has(model);
    });
  }
  return { shown: few.size, all: names.length };
}

/** The search above a chart that shows few of many. @param {HTMLElement} at @param {{shown: number, all: number}} count */
function addSearch(at, { shown, all }) {
  let tools = /** @type {HTMLElement | null} */ (at.previousElementSibling);
  if (!tools?.classList.contains("few-models")) {
    const search = element("input", { type: "search", placeholder: "Search models", "aria-label": "Search models" });
    const button = element("button", { type: "button" });
    tools = element("p", { class: "few-models table-tools" }, search, element("span", { "aria-live": "polite" }), button);
    at.before(tools);
    search.addEventListener("change", () => showModels({ models: search.value }));
    button.addEventListener("click", () => showModels({ all: address.get("all") ? null : 1 }));
  }
  const [search, text, button] = tools.children;
  /** @type {HTMLInputElement} */ (search).value = address.get("models") ?? "";
  text.textContent = `${shown} of ${all} models`;
  button.textContent = address.get("all") ? `Show ${MOST_MODELS} at most` : "Show all";
}

/** @param {Record<string, string | number | null>} changes */
function showModels(changes) {
  address.set(changes, true);
  drawAll();
}

/** What the address says of models: a chart drawn for something else is drawn again. */
function askedModels() {
  return `${address.get("models") ?? ""} ${address.get("all") ?? ""}`;
}

starts.push(() => onState(() => { drawAll(); }));
