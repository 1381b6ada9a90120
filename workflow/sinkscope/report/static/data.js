// @ts-check
// The numbers behind a figure as a table, made when it is opened.
"use strict";

const MOST_ROWS = 500; // the CSV has all

/** Rows of a CSV text, each an array of its fields. @param {string} text */
function fieldsOf(text) {
  /** @type {string[][]} */
  const rows = [[]];
  for (const match of text.matchAll(/("(?:[^"]|"")*"|[^,\n]*)(,|\n|$)/g)) {
    if (match.index === text.length) break;
    const field = match[1].startsWith('"') ? match[1].slice(1, -1).replaceAll('""', '"') : match[1];
    rows[rows.length - 1].push(field);
    if (match[2] === "\n") rows.push([]);
  }
  return rows.filter((row) => row.length);
}

/** @param {string[][]} rows with the head @param {string} name */
function tableOf([head, ...rows], name) {
  const table = element("table", {}, element("caption", {}, rows.length > MOST_ROWS
    ? `${name}: the first ${MOST_ROWS} of ${rows.length.toLocaleString("en")} rows; the CSV has all`
    : name));
  table.createTHead().insertRow().append(...head.map((field) => element("th", { scope: "col" }, field)));
  const body = table.createTBody();
  for (const fields of rows.slice(0, MOST_ROWS)) {
    const isNumber = (/** @type {string} */ field) => field !== "" && !Number.isNaN(Number(field));
    body.insertRow().append(...fields.map((field) => element("td", isNumber(field) ? { class: "number" } : {}, field)));
  }
  return table;
}

starts.push(() => {
  for (const details of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("details.data"))) {
    details.addEventListener("toggle", async () => {
      if (details.dataset.filled) return;
      details.dataset.filled = "yes";
      const { datasets } = await specIn(details.dataset.of ?? "");
      const name = details.closest("figure")?.querySelector(".title")?.textContent ?? "";
      const frame = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Table: ${name}` });
      frame.append(tableOf(fieldsOf(datasets.drawn), name));
      details.append(frame);
    });
  }
});
