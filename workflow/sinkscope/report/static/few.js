// @ts-check
// Figures with a panel or a line per model show a dozen of many: those that are searched for. The search
// is in the address (models=...); all=1 shows all.
"use strict";

const MOST_MODELS = 12;

/** Rows of a CSV text as they are written, each with its fields. @param {string} text */
function rawRows(text) {
  if (!text.includes('"')) return text.split("\n").slice(0, -1).map((line) => ({ raw: `${line}\n`, fields: line.split(",") }));
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
  const parts = [panel, ...(panel.layer ?? [])];
  const filters = parts.flatMap((part) => part.transform ?? []).map((step) => step.filter);
  return filters.find((filter) => filter?.field === "model")?.equal ?? null;
}

/** @param {VegaLiteSpec} spec @returns {"concat" | "vconcat" | "hconcat" | undefined} */
function joinOf(spec) {
  return /** @type {const} */ (["concat", "vconcat", "hconcat"]).find((kind) => spec[kind]);
}

/** @param {VegaLiteSpec} spec @returns {VegaLiteSpec[]} its panels, without those that only join others */
function panelsOf(spec) {
  const join = joinOf(spec);
  return join ? (spec[join] ?? []).flatMap(panelsOf) : [spec];
}

/**
 * Without the panels of other models, and rows that have no panel left.
 * @param {VegaLiteSpec} spec @param {Set<string>} few @returns {boolean} whether anything is left
 */
function keepPanels(spec, few) {
  const join = joinOf(spec);
  if (join) {
    spec[join] = spec[join]?.filter((part) => keepPanels(part, few));
    return Boolean(spec[join]?.length);
  }
  const model = modelOfPanel(spec);
  return model === null || few.has(model);
}

/** The legend of a row of panels, if the row that had it is gone. @param {VegaLiteSpec[]} from @param {VegaLiteSpec[]} to */
function giveLegends(from, to) {
  to.forEach((panel, at) => {
    if (panel.encoding?.color && from[at]?.encoding?.color) panel.encoding.color.legend = from[at].encoding.color.legend;
    if (panel.layer && from[at]?.layer) giveLegends(from[at].layer, panel.layer);
  });
}

/** The field of the rows of a panel, if it has one row per name. @param {VegaLiteSpec} panel @returns {string | null} */
function fieldOfRows(panel) {
  const rows = panel.encoding?.y ?? panel.layer?.[0]?.encoding?.y;
  return rows?.type === "nominal" && typeof panel.height === "number" ? rows.field : null;
}

/**
 * Leave a dozen models in a specification with a panel or a row per model; returns how many of how
 * many, or null.
 * @param {VegaLiteSpec} spec @returns {{shown: number, all: number} | null}
 */
function leaveFew(spec) {
  const [[name, text]] = Object.entries(spec.datasets);
  const [head, ...rows] = rawRows(text);
  /** @param {string | null} field */
  const valuesOf = (field) => new Set(rows.map((row) => row.fields[head.fields.indexOf(field ?? "")]));
  const names = [...valuesOf("model")];
  const panels = spec.spec ? [spec.spec] : panelsOf(spec);
  if (!head.fields.includes("model") || names.length <= MOST_MODELS) return null;
  const withRows = panels.filter((panel) => valuesOf(fieldOfRows(panel)).size === names.length);
  if (!spec.facet && !withRows.length && panels.every((panel) => modelOfPanel(panel) === null)) return null;
  const few = new Set(fewOf(names));
  spec.datasets[name] = rowsOf(text, "model", few);
  for (const panel of withRows) panel.height *= few.size / names.length;
  const join = joinOf(spec);
  const first = join && spec[join]?.[0];
  const withLegends = first ? panelsOf(first) : [];
  keepPanels(spec, few);
  const now = join && spec[join]?.[0];
  if (now && now !== first) giveLegends(withLegends, panelsOf(now));
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
