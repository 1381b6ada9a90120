// The numbers behind a figure as a table, made when it is opened.
"use strict";

const MOST_ROWS = 500; // the CSV has all

// Rows of a CSV text, each an array of its fields.
function fieldsOf(text) {
  const rows = [[]];
  for (const match of text.matchAll(/("(?:[^"]|"")*"|[^,\n]*)(,|\n|$)/g)) {
    if (match.index === text.length) break;
    const field = match[1].startsWith('"') ? match[1].slice(1, -1).replaceAll('""', '"') : match[1];
    rows.at(-1).push(field);
    if (match[2] === "\n") rows.push([]);
  }
  return rows.filter((row) => row.length);
}

function tableOf([head, ...rows], name) {
  const table = document.createElement("table");
  table.createCaption().textContent = rows.length > MOST_ROWS
    ? `${name}: the first ${MOST_ROWS} of ${rows.length.toLocaleString("en")} rows; the CSV has all`
    : name;
  const cellsOf = (row, fields, tag) => row.append(...fields.map((field) => {
    const cell = document.createElement(tag);
    cell.textContent = field;
    if (tag === "th") cell.scope = "col";
    if (tag === "td" && field !== "" && !Number.isNaN(Number(field))) cell.className = "number";
    return cell;
  }));
  cellsOf(table.createTHead().insertRow(), head, "th");
  const body = table.createTBody();
  for (const fields of rows.slice(0, MOST_ROWS)) cellsOf(body.insertRow(), fields, "td");
  return table;
}

for (const details of document.querySelectorAll("details.data")) {
  details.addEventListener("toggle", () => {
    if (details.querySelector("table")) return;
    const { datasets } = JSON.parse(document.getElementById(details.dataset.of).textContent);
    const frame = document.createElement("div");
    frame.className = "scroll";
    frame.tabIndex = 0;
    frame.role = "region";
    const name = details.closest("figure").querySelector(".title").textContent;
    frame.ariaLabel = `Table: ${name}`;
    frame.append(tableOf(fieldsOf(datasets.drawn), name));
    details.append(frame);
  });
}
