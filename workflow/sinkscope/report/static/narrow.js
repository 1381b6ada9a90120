// @ts-check
// Figures on a phone: legends, labels and panels that fit its width.
"use strict";

const PHONE = 500; // pixels of a page on which names need their own room

/**
 * Legends in as many columns as their labels have room.
 * @param {any} part of a specification @param {number} room pixels
 */
function wrapLegends(part, room) {
  if (part === null || typeof part !== "object") return;
  if (part.legend !== null && part.type === "nominal" && part.axis === undefined && typeof part.scale?.domain?.[0] === "string") {
    const longest = Math.max(...part.scale.domain.map((/** @type {unknown} */ name) => String(name).length));
    part.legend = { ...part.legend, columns: Math.max(1, Math.floor(room / (6.5 * longest + 45))) };
  }
  for (const inner of Object.values(part)) wrapLegends(inner, room);
}

/**
 * Pixels that the legends of a drawn chart have, if some label is cut off. A legend begins where the
 * panels do, right of the labels of rows, whose widths are not known before; on a phone it ends where
 * they do, left of what is written beside them.
 * @param {HTMLElement} at
 */
function roomOfLegends(at) {
  const labels = [...at.querySelectorAll(".role-legend-label text")].map((text) => text.getBoundingClientRect());
  const { left, right } = at.getBoundingClientRect();
  const edge = Math.min(right, at.querySelector("svg")?.getBoundingClientRect().right ?? Infinity);
  const start = Math.min(...labels.map((label) => label.left)) - SYMBOL;
  const end = Math.max(...labels.map((label) => label.right));
  if (labels.length > 0 && start < left - 1) return end - left;
  return end > edge + 1 ? edge - start : null;
}

const SYMBOL = 18; // pixels of the mark before a label

/** On a phone: shorter labels of axes. @param {any} part of a specification @param {number} available pixels */
function shortenLabels(part, available) {
  if (part === null || typeof part !== "object") return;
  if (part.axis?.labelLimit) part.axis.labelLimit = Math.min(part.axis.labelLimit, 0.34 * available);
  for (const inner of Object.values(part)) shortenLabels(inner, available);
}

const NARROWEST = 60; // pixels of a panel

/** Narrower panels, of a chart that was drawn too wide. @param {VegaLiteSpec} spec @param {number} over pixels */
function shrink(spec, over) {
  const join = joinOf(spec);
  if (spec.spec) shrink(spec.spec, over / (spec.columns ?? 1));
  else if (join) {
    const across = join === "vconcat" ? 1 : (spec.columns ?? spec[join]?.length ?? 1);
    for (const part of spec[join] ?? []) shrink(part, over / across);
  } else if (typeof spec.width === "number") spec.width = Math.max(NARROWEST, spec.width - over);
  else for (const layer of spec.layer ?? []) shrink(layer, over); // their width is that of a layer
}

const BESIDE = 130; // pixels of a panel: narrower ones stand below one another

/** @param {VegaLiteSpec} panel @returns {any} the encoding of its y axis */
function yOf(panel) {
  return panel.encoding?.y ?? (panel.layer ?? []).map(yOf).find((/** @type {any} */ y) => y?.axis !== undefined);
}

/**
 * Rows of panels that would be too narrow side by side become columns; each panel then has the axis
 * that the first has, which the others share.
 * @param {VegaLiteSpec} spec @param {number} available pixels
 */
function stack(spec, available) {
  for (const row of spec.vconcat ?? []) {
    const panels = row.hconcat;
    if (!panels || available / panels.length - 55 >= BESIDE) continue;
    const first = yOf(panels[0]);
    for (const panel of panels) {
      const y = yOf(panel);
      if (first && y) Object.assign(y, { axis: first.axis, title: first.title });
    }
    row.vconcat = panels;
    delete row.hconcat;
  }
}
