// @ts-check
// A chart of many panels is drawn as several, one below the other: Vega-Lite compiles a chart in one
// task, and Vega builds it in another, which grow with its panels.
"use strict";

const MOST_PANELS = 6; // of a part

/** Rows of panels, in their order; the first has the legends. @param {VegaLiteSpec} spec @returns {VegaLiteSpec[]} */
function partsOf(spec) {
  const parts = spec.spec ? partsOfFacets(spec) : partsOfPanels(spec);
  return parts.map((part, i) => (i ? withoutLegends(part) : part));
}

const LOOKS = ["color", "fill", "stroke", "shape", "strokeDash", "opacity", "size"];

/** @param {any} part of a specification, which is left as it is @returns {any} */
function withoutLegends(part) {
  if (Array.isArray(part)) return part.map(withoutLegends);
  if (part === null || typeof part !== "object") return part;
  /** @param {string} name @param {any} value */
  const bare = (name, value) => (LOOKS.includes(name) && value?.field !== undefined ? { ...value, legend: null } : withoutLegends(value));
  return Object.fromEntries(Object.entries(part).map(([name, value]) => [name, name === "datasets" ? value : bare(name, value)]));
}

/** @param {VegaLiteSpec} spec @returns {VegaLiteSpec[]} */
function partsOfPanels(spec) {
  const join = joinOf(spec);
  if (!join || join === "hconcat") return [spec];
  const entries = spec[join] ?? [];
  const across = join === "vconcat" ? 1 : (spec.columns ?? entries.length);
  const parts = inRows(entries, across, panelsOf(spec).length / entries.length);
  if (parts.length === 1) return [spec];
  return parts.map((panels) => {
    const models = new Set(panels.flatMap(panelsOf).map(modelOfPanel));
    const part = { ...spec, [join]: panels };
    return models.has(null) ? part : withRows(part, "model", models);
  });
}

/** @param {VegaLiteSpec} spec one panel per value of a field @returns {VegaLiteSpec[]} */
function partsOfFacets(spec) {
  const { facet: { field, sort }, resolve, spec: panel } = spec;
  const hasEnds = ["x", "y"].every((axis) => resolve?.scale?.[axis] === "independent" || (panel.layer ?? [panel])
    .every((/** @type {any} */ layer) => layer.encoding?.[axis]?.field === undefined || layer.encoding[axis].scale?.domain));
  if (!field || !hasEnds) return [spec]; // panels that share a scale must be together
  const [[, text]] = Object.entries(spec.datasets);
  const [head, ...rows] = rawRows(text);
  const column = head.fields.indexOf(field);
  const names = new Set(rows.map((row) => row.fields[column]));
  const inOrder = Array.isArray(sort) ? sort.map(String).filter((name) => names.has(name)) : [...names].sort();
  const parts = inRows(inOrder, spec.columns, 1);
  return parts.length === 1 ? [spec] : parts.map((part) => withRows(spec, field, new Set(part)));
}

/**
 * Entries in parts of whole rows. across: entries of a row. panels: of an entry.
 * @template Entry
 * @param {Entry[]} entries @param {number} across @param {number} panels
 */
function inRows(entries, across, panels) {
  const size = across * Math.max(1, Math.floor(MOST_PANELS / (panels * across)));
  return Array.from({ length: Math.ceil(entries.length / size) }, (_, i) => entries.slice(i * size, (i + 1) * size));
}

/** With the rows alone that have one of these values. @param {VegaLiteSpec} spec @param {string} field @param {Set<string | null>} values */
function withRows(spec, field, values) {
  const [[name, text]] = Object.entries(spec.datasets);
  return { ...spec, datasets: { [name]: rowsOf(text, field, values) } };
}

/** A CSV with these rows. @param {string} text @param {string} field @param {Set<string | null>} values */
function rowsOf(text, field, values) {
  const [head, ...rows] = rawRows(text);
  const column = head.fields.indexOf(field);
  return head.raw + rows.filter((row) => values.has(row.fields[column])).map((row) => row.raw).join("");
}

/** The places of the parts of a chart, each as far from the next as rows of panels are. @param {HTMLElement} at @param {number} n @param {number} spacing */
function placesOf(at, n, spacing) {
  if (n === 1) return [at];
  const places = Array.from({ length: n }, () => element("div", { style: `margin-bottom: ${Math.max(0, spacing - 8)}px` }));
  at.replaceChildren(...places);
  return places;
}
