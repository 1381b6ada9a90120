// Figures drawn when they come near, pickers that drive them, the theme, sortable tables.
"use strict";

const page = JSON.parse(document.getElementById("page-data").textContent);
// What the pickers say. Charts take it as a parameter of the same name.
const picked = {};

// A chart that knows no "all documents" shows the document that the heat maps show.
function fitting(name, options) {
  if (options.includes(picked[name])) return picked[name];
  return name === "document" && options.includes(page.first_document) ? page.first_document : null;
}

// ---- Figures ----

const figures = new Map(); // element -> { spec, options, view }

function panelsThatFit(spec, available) {
  const panel = spec.spec;
  spec.columns = Math.max(1, Math.min(spec.columns, Math.floor((available - 50) / (panel.width + 24))));
  if (spec.columns === 1) panel.width = Math.max(160, Math.min(panel.width, available - 110));
}

function fit(spec, available) {
  spec.config.legend.columns = Math.max(2, Math.floor(available / 105));
  if (spec.spec) {
    panelsThatFit(spec, available);
  } else if (spec.concat) {
    // A panel stands alone, over another, or beside one: of two, neither has long labels.
    const panels = spec.concat.flatMap((part) => part.vconcat ?? part.hconcat ?? [part]);
    const beside = panels.length > spec.concat.length ? 55 : 110;
    const across = spec.concat[0].hconcat?.length ?? 1;
    const panel = panels[0].width;
    const columns = Math.floor(available / (across * (panel + beside)));
    spec.columns = Math.max(1, Math.min(spec.columns, columns));
    for (const part of panels) part.width = Math.min(panel, available / across - beside);
  } else if (spec.vconcat) {
    const wide = spec.vconcat.filter((part) => part.width);
    for (const part of wide) part.width = Math.min(part.width, available - 150);
  } else {
    spec.autosize = { type: "fit-x", contains: "padding" };
    spec.width = Math.min(available, spec.width + 120);
  }
}

// The specification as this page shows it: no title (the heading says it), no picker of its own.
function forPage(original, available) {
  const spec = structuredClone(original);
  const options = {};
  delete spec.title;
  spec.config.background = "transparent";
  for (const parameter of spec.params) {
    options[parameter.name] = parameter.bind.options;
    const value = fitting(parameter.name, parameter.bind.options);
    if (value !== null) parameter.value = value;
    delete parameter.bind;
  }
  fit(spec, available);
  return { spec, options };
}

async function draw(element) {
  const figure = figures.get(element);
  if (figure.drawing) return figure.drawing;
  const { spec, options } = forPage(figure.original, element.clientWidth);
  figure.options = options;
  figure.drawing = vegaEmbed(element, spec, { actions: false, renderer: "svg" }).then((result) => {
    figure.view = result.view;
    element.classList.add("drawn");
    saysWhatIsShown(element);
    return choose(figure);
  });
  return figure.drawing;
}

function saysWhatIsShown(element) {
  const { view, options } = figures.get(element);
  const shown = element.parentElement.querySelector(".shown");
  if (view && options.document) shown.textContent = `Shown: ${view.signal("document")}`;
}

// Give a drawn chart what was picked meanwhile.
async function choose(figure) {
  for (const [name, options] of Object.entries(figure.options)) {
    const value = fitting(name, options);
    if (value !== null && figure.view.signal(name) !== value) figure.view.signal(name, value);
  }
  await figure.view.runAsync();
}

function drawAll() {
  return Promise.all([...figures.keys()].map(draw));
}

function watchFigures() {
  for (const element of document.querySelectorAll(".chart")) {
    const source = document.getElementById(element.dataset.spec);
    figures.set(element, { original: JSON.parse(source.textContent) });
  }
  const near = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => draw(entry.target)),
    { rootMargin: "600px" },
  );
  for (const element of figures.keys()) near.observe(element);
  // Paper has no scrolling: everything is drawn once there is time, at the latest before printing.
  const later = window.requestIdleCallback || ((work) => setTimeout(work, 500));
  window.addEventListener("load", () => later(drawAll, { timeout: 4000 }));
  window.addEventListener("beforeprint", drawAll);
  let width = window.innerWidth;
  let timer = 0;
  window.addEventListener("resize", () => {
    if (window.innerWidth === width) return;
    width = window.innerWidth;
    clearTimeout(timer);
    timer = setTimeout(redraw, 250);
  });
}

function redraw() {
  for (const [element, figure] of figures) {
    if (!figure.view) continue;
    figure.view.finalize();
    figures.set(element, { original: figure.original });
    draw(element);
  }
}

// ---- Pickers ----

async function pick(name, value) {
  picked[name] = value;
  for (const [element, figure] of figures) {
    if (!figure.view) continue;
    await choose(figure);
    saysWhatIsShown(element);
  }
  document.dispatchEvent(new CustomEvent("pick", { detail: { name, value } }));
}

function watchPickers() {
  for (const select of document.querySelectorAll("select[data-picks]")) {
    picked[select.dataset.picks] = select.value; // a browser may restore an earlier choice
    select.addEventListener("change", () => pick(select.dataset.picks, select.value));
  }
  const pages = document.querySelector("select[data-opens]");
  if (pages) {
    pages.value = pages.dataset.opens;
    pages.addEventListener("change", () => { location.href = pages.value + location.hash; });
  }
}

// ---- Theme ----

const THEMES = ["auto", "light", "dark"];
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

function stored(value) {
  try { // a browser may forbid storage to pages opened from a disk
    if (value !== undefined) localStorage.setItem("sinkscope-theme", value);
    return localStorage.getItem("sinkscope-theme");
  } catch { return value ?? null; }
}

function setTheme(theme) {
  const root = document.documentElement;
  root.dataset.theme = theme;
  root.toggleAttribute("data-dark", theme === "dark" || (theme === "auto" && systemIsDark.matches));
  document.getElementById("theme").textContent = `Theme: ${theme}`;
}

function watchTheme() {
  const known = (theme) => (THEMES.includes(theme) ? theme : "auto");
  setTheme(known(stored()));
  systemIsDark.addEventListener("change", () => setTheme(document.documentElement.dataset.theme));
  document.getElementById("theme").addEventListener("click", () => {
    const now = THEMES.indexOf(document.documentElement.dataset.theme);
    setTheme(THEMES[(now + 1) % THEMES.length]);
    stored(document.documentElement.dataset.theme);
  });
}

// ---- Tables ----

function sortBy(table, column, descending) {
  const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
  const number = (text) => (text === "" ? NaN : Number(text));
  const rows = [...table.tBodies[0].rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    const difference = number(x) - number(y);
    return Number.isNaN(difference) ? x.localeCompare(y) : difference;
  });
  if (descending) rows.reverse();
  table.tBodies[0].append(...rows);
}

function makeSortable(table) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      sortBy(table, column, descending);
    });
  });
}

watchTheme();
watchPickers();
watchFigures();
document.querySelectorAll("table.sortable").forEach(makeSortable);
