// @ts-check
// Figures and their data as files.
"use strict";

// First characters that make a spreadsheet run a text as a formula (sinkscope.tables.contract).
const FORMULA = /^[=+\-@\t\r]/;

/**
 * CSV whose texts no spreadsheet runs; otherwise the same bytes.
 * @param {string} text CSV with a header @param {Record<string, string>} types "number" by column
 */
function safeCsv(text, types) {
  /** @type {string[]} */
  const names = [];
  let [row, column] = [0, 0];
  return text.replace(/("(?:[^"]|"")*"|[^,\n]*)([,\n])/g, (_, field, end) => {
    const quoted = field.startsWith('"');
    const content = quoted ? field.slice(1, -1) : field;
    if (row === 0) names.push(content.replaceAll('""', '"'));
    const runs = row > 0 && types[names[column]] !== "number" && FORMULA.test(content);
    [row, column] = end === "\n" ? [row + 1, 0] : [row, column + 1];
    return (runs ? (quoted ? `"'${content}"` : `'${content}`) : field) + end;
  });
}

/** The types of a figure's data. @param {any} spec @returns {{parse: Record<string, string>} | null} */
function formatOf(spec) {
  if (spec?.data?.format) return spec.data.format;
  for (const part of [spec?.spec, ...(spec?.layer ?? []), ...(spec?.concat ?? []), ...(spec?.vconcat ?? []), ...(spec?.hconcat ?? [])]) {
    const format = part && formatOf(part);
    if (format) return format;
  }
  return null;
}

/** Pages without charts load the library when a figure is saved. @returns {Promise<unknown>} */
function vegaHere() {
  if ("vegaEmbed" in window) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const script = element("script", { src: "assets/vega.js" });
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  });
}

const KINDS = { csv: "text/csv", svg: "image/svg+xml", png: "image/png", json: "application/json", bib: "text/plain" };

/** @param {string | Blob} content @param {keyof typeof KINDS} kind @param {string} name */
function save(content, kind, name) {
  const link = element("a", { download: `${name}.${kind}` });
  link.href = URL.createObjectURL(new Blob([content], { type: KINDS[kind] }));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** A figure as a file: with its title, black on white, in its own size. @param {HTMLElement} button */
async function saveFigure(button) {
  const figure = /** @type {HTMLElement} */ (button.closest("figure"));
  const spec = await specIn(button.dataset.of ?? "");
  const kind = /** @type {keyof typeof KINDS} */ (button.dataset.saves);
  const name = page.model ? `${page.model}-${figure.id}` : figure.id;
  save(kind === "bib" ? citationOf(name, spec.title?.text ?? spec.title ?? name) : await figureAs(spec, kind), kind, name);
}

/** The report's BibTeX entry, of one figure. @param {string} name @param {string} title */
function citationOf(name, title) {
  const text = byId("cite").textContent ?? "";
  const plain = title.replace(/[{}\\]/g, "");
  return text.replace("{sinkscope-report,", `{sinkscope-${name},`).replace(/title = \{.*\},/, `title = {${plain}: figure of a Sinkscope report},`);
}

/** @param {VegaLiteSpec} spec @param {keyof typeof KINDS} kind @returns {Promise<string | Blob>} */
async function figureAs(spec, kind) {
  if (kind === "json") return JSON.stringify(spec, null, 1);
  if (kind === "csv") return safeCsv(Object.values(spec.datasets)[0], formatOf(spec)?.parse ?? {});
  await vegaHere();
  for (const parameter of spec.params) {
    const value = fitting(parameter.name, parameter.bind?.options ?? []);
    if (value !== null) parameter.value = value;
    delete parameter.bind;
  }
  const { view } = await vegaEmbed(element("div"), spec, { actions: false, renderer: "svg" });
  if (kind === "svg") return view.toSVG();
  const canvas = await view.toCanvas(2);
  return new Promise((resolve, reject) => canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no picture"))), "image/png"));
}
