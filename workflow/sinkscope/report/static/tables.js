// @ts-check
// Tables: sorted by their heads, searched, with columns hidden, and saved as they are shown.
"use strict";

const FEW_ROWS = 6; // a table of as many is seen at once

/** @param {HTMLTableCellElement} cell */
function valueOf(cell) {
  return cell.dataset.value ?? (cell.textContent ?? "").trim().replace(/\s+/g, " ");
}

/** Numbers by size and before texts, texts by the alphabet. @param {string} a @param {string} b */
function inOrder(a, b) {
  const [x, y] = [a, b].map((text) => (text === "" ? NaN : Number(text.replaceAll(",", ""))));
  if (!Number.isNaN(x) && !Number.isNaN(y)) return x - y;
  if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
  return a.localeCompare(b);
}

/** A sortable table with what its address says of it. */
class DataTable {
  /** @param {HTMLTableElement} table @param {string} name in the address */
  constructor(table, name) {
    this.table = table;
    this.name = name;
    this.heads = /** @type {HTMLTableCellElement[]} */ ([...(table.tHead?.rows[0].cells ?? [])]);
    this.titles = this.heads.map(valueOf);
    this.rows = [...table.tBodies[0].rows]; // as they were written
    for (const [column, head] of this.heads.entries()) this.addButton(head, column);
    this.tools = this.rows.length > FEW_ROWS ? this.addTools() : null;
    onState(() => this.apply());
    this.apply();
  }

  /** @param {HTMLTableCellElement} head @param {number} column */
  addButton(head, column) {
    const button = element("button", { type: "button" }, ...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = address.get(`sort-${this.name}`) === this.titles[column];
      address.set({ [`sort-${this.name}`]: (up ? "-" : "") + this.titles[column] });
      this.apply();
    });
  }

  addTools() {
    const search = element("input", { type: "search", placeholder: "Search", "aria-label": `Search ${this.caption()}` });
    const boxes = this.titles.map((title) => element("input", { type: "checkbox", value: title }));
    const columns = element("details", { class: "columns" }, element("summary", {}, "Columns"));
    // The first column names the rows.
    boxes.forEach((box, i) => i && columns.append(element("label", {}, box, this.titles[i])));
    const saving = element("button", { type: "button" }, "Save as CSV");
    const count = element("span", { "aria-live": "polite" });
    const tools = element("div", { class: "table-tools" }, search, columns, saving, count);
    (this.table.closest(".scroll") ?? this.table).before(tools);
    search.addEventListener("input", () => {
      address.set({ [`find-${this.name}`]: search.value });
      this.apply();
    });
    columns.addEventListener("change", () => {
      const hidden = boxes.filter((box) => !box.checked).map((box) => box.value);
      address.set({ [`hide-${this.name}`]: hidden.join("|") });
      this.apply();
    });
    saving.addEventListener("click", () => save(this.csv(), "csv", this.name));
    return { search, boxes, count };
  }

  caption() {
    return (this.table.caption?.textContent ?? this.name).trim();
  }

  /** What the address says, shown. */
  apply() {
    const sort = address.get(`sort-${this.name}`) ?? "";
    const column = this.titles.indexOf(sort.replace(/^-/, ""));
    const words = (address.get(`find-${this.name}`) ?? "").toLowerCase();
    const hidden = (address.get(`hide-${this.name}`) ?? "").split("|");
    const rows = column < 0 ? [...this.rows] : sorted(this.rows, column, sort.startsWith("-"));
    this.heads.forEach((head, at) => {
      if (at === column) head.setAttribute("aria-sort", sort.startsWith("-") ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
    for (const row of rows) row.hidden = !(row.textContent ?? "").toLowerCase().includes(words);
    for (const row of [this.table.tHead?.rows[0], ...rows]) {
      [...(row?.cells ?? [])].forEach((cell, at) => { cell.hidden = at > 0 && hidden.includes(this.titles[at]); });
    }
    this.table.tBodies[0].append(...rows);
    if (!this.tools) return;
    const { search, boxes, count } = this.tools;
    if (search.value.toLowerCase() !== words) search.value = words;
    for (const box of boxes) box.checked = !hidden.includes(box.value);
    const n = rows.filter((row) => !row.hidden).length;
    count.textContent = n < rows.length ? `${n} of ${rows.length} rows` : `${n} rows`;
  }

  /** The rows and columns that are shown, in their order. */
  csv() {
    const shown = [...(this.table.tHead?.rows ?? []), ...this.table.tBodies[0].rows].filter((row) => !row.hidden);
    const lines = shown.map((row) => [...row.cells].filter((cell) => !cell.hidden).map((cell) => csvField(valueOf(cell))));
    return lines.map((fields) => `${fields.join(",")}\n`).join("");
  }
}

/** @param {HTMLTableRowElement[]} rows @param {number} column @param {boolean} descending */
function sorted(rows, column, descending) {
  const order = [...rows].sort((a, b) => inOrder(valueOf(a.cells[column]), valueOf(b.cells[column])));
  return descending ? order.reverse() : order;
}

/** @param {string} text */
function csvField(text) {
  const number = text !== "" && !Number.isNaN(Number(text));
  const safe = !number && FORMULA.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function startTables() {
  const tables = /** @type {NodeListOf<HTMLTableElement>} */ (document.querySelectorAll("table.sortable"));
  for (const table of tables) {
    const name = table.id || table.closest("[id]")?.id || "table";
    new DataTable(table, name);
  }
}
