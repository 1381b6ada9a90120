// @ts-check
// Figures: each is drawn in turn, those that are seen first, and fitted to the page's width.
"use strict";

/**
 * A chart of the page. views: of its parts; none before it is drawn. width: of the window, when it was drawn. options: of its parameters, by name.
 * asked: what was asked of its many models then, or null.
 * @typedef {{source: string, views: VegaView[], width: number,
 *   options: Record<string, string[]>, shown: Record<string, string>,
 *   asked: string | null}} Chart
 */

/** @type {Map<HTMLElement, Chart>} */
const charts = new Map();
/** Charts on the screen, or a little below. @type {Set<HTMLElement>} */
const near = new Set();
let isDrawing = false;
const drawing = { inHurry: false }; // before printing

// ---- From a figure's specification to the page's ----

// A chart that knows no "all documents" shows the document that the heat maps show.
/** @param {string} name @param {string[]} options @returns {string | null} */
function fitting(name, options) {
  if (options.includes(picked[name])) return picked[name];
  const first = page.first_document;
  return name === "document" && first && options.includes(first) ? first : null;
}

/** @param {VegaLiteSpec} spec @param {number} available */
function panelsThatFit(spec, available) {
  const panel = spec.spec;
  spec.columns = Math.max(1, Math.min(spec.columns, Math.floor((available - 50) / (panel.width + 24))));
  if (spec.columns === 1) panel.width = Math.max(160, Math.min(panel.width, available - 110));
}

/** @param {VegaLiteSpec} spec @param {number} available pixels */
function fit(spec, available) {
  spec.config.legend.columns = Math.max(2, Math.floor(available / 105));
  if (available < PHONE) {
    wrapLegends(spec, available);
    shortenLabels(spec, available);
    stack(spec, available);
  }
  if (spec.spec) {
    panelsThatFit(spec, available);
  } else if (spec.concat) {
    // A panel stands alone, over another, or beside one: of two, neither has long labels. Images have
    // no axis.
    const panels = spec.concat.flatMap((part) => part.vconcat ?? part.hconcat ?? [part]);
    const beside = panels.every((panel) => yOf(panel)?.axis === null) ? spec.spacing : panels.length > spec.concat.length ? 55 : 110;
    const across = spec.concat[0].hconcat?.length ?? 1;
    const panel = panels[0].width;
    const columns = Math.floor(available / (across * (panel + beside)));
    spec.columns = Math.max(1, Math.min(spec.columns, columns));
    for (const part of panels) part.width = Math.min(panel, available / across - beside);
  } else if (spec.vconcat) {
    const wide = spec.vconcat.flatMap((part) => part.vconcat ?? [part]).filter((part) => part.width);
    for (const part of wide) part.width = Math.min(part.width, available - 150);
  } else {
    spec.autosize = { type: "fit-x", contains: "padding" };
    spec.width = Math.min(available, spec.width + 120);
  }
}

// No title (the heading says it), no picker of its own.
/** @param {VegaLiteSpec} spec @param {number} available */
function forPage(spec, available) {
  /** @type {Record<string, string[]>} */
  const options = {};
  delete spec.title;
  spec.config.background = "transparent";
  for (const parameter of spec.params) {
    options[parameter.name] = parameter.bind?.options ?? [];
    const value = fitting(parameter.name, options[parameter.name]);
    if (value !== null) parameter.value = value;
    delete parameter.bind;
  }
  fit(spec, available);
  return options;
}

// ---- Drawing, one chart per turn ----

/** @param {HTMLElement} at @param {VegaLiteSpec} spec @param {VegaView[]} before what is replaced */
async function drawn(at, spec, before) {
  for (const view of before) view.finalize();
  const parts = partsOf(spec);
  const places = placesOf(at, parts.length, spec.spacing ?? 20);
  const views = [];
  for (const [i, part] of parts.entries()) {
    const compiled = vegaLite.compile(part).spec;
    await turn();
    const { view } = await inSlices(() => vegaEmbed(places[i], compiled, { actions: false, renderer: "svg" }));
    views.push(view);
    await turn(); // the browser lays out what it shows
  }
  return views;
}

/** @param {HTMLElement} at */
async function draw(at) {
  const chart = /** @type {Chart} */ (charts.get(at));
  const spec = await specIn(chart.source);
  const few = leaveFew(spec);
  if (few) addSearch(at, few);
  const options = forPage(spec, at.clientWidth);
  await turn();
  at.style.minHeight = `${at.offsetHeight}px`; // what is below does not jump
  let views = await drawn(at, spec, chart.views);
  const room = roomOfLegends(at);
  if (room !== null) {
    const isPhone = at.clientWidth < PHONE; // there, legends also stand over the labels of rows
    if (isPhone) spec.config.legend.layout = { top: { anchor: "end" } };
    wrapLegends(spec, isPhone ? at.clientWidth : room);
    views = await drawn(at, spec, views);
    const left = isPhone ? roomOfLegends(at) : null;
    if (left !== null) {
      wrapLegends(spec, left);
      views = await drawn(at, spec, views);
    }
  }
  const over = at.scrollWidth - at.clientWidth;
  if (over > 1 && at.clientWidth < PHONE) { // labels took more room than was left for them
    shrink(spec, over);
    views = await drawn(at, spec, views);
  }
  at.style.minHeight = "";
  Object.assign(chart, { views, options, width: innerWidth, shown: {}, asked: few ? askedModels() : null });
  at.classList.add("drawn");
  if (isOfHeads(spec)) leadToMaps(at, views);
  saysWhatIsShown(at);
}

/** Give a drawn chart what was picked meanwhile. @param {HTMLElement} at */
async function choose(at) {
  const chart = /** @type {Chart} */ (charts.get(at));
  for (const [name, value] of missed(chart)) {
    chart.shown[name] = value;
    for (const view of chart.views) view.signal(name, value);
  }
  for (const view of chart.views) await view.runAsync();
  saysWhatIsShown(at);
}

/** Parameters whose value is not the one that is picked. @param {Chart} chart */
function missed(chart) {
  return Object.entries(chart.options)
    .map(([name, options]) => [name, fitting(name, options)])
    .filter(([name, value]) => value !== null && chart.views[0]?.signal(String(name)) !== value)
    .map(([name, value]) => /** @type {[string, string]} */ ([name, value]));
}

/** What is to be done for a chart now, or null. @param {HTMLElement} at */
function task(at) {
  const chart = /** @type {Chart} */ (charts.get(at));
  if (!at.isConnected) return null;
  if (!chart.views.length) return draw;
  // What is not seen keeps its width until it is.
  const isOld = chart.width !== innerWidth || (chart.asked !== null && chart.asked !== askedModels());
  if (near.has(at) && isOld) return draw;
  return missed(chart).length ? choose : null;
}

function nextTask() {
  for (const among of [[...near], [...charts.keys()]]) {
    for (const at of among) {
      const work = charts.has(at) && task(at);
      if (work) return { at, work, waits: !near.has(at) };
    }
  }
  return null;
}

async function drawAll() {
  if (isDrawing) return;
  isDrawing = true;
  try {
    for (let next = nextTask(); next; next = nextTask()) {
      if (next.waits && !drawing.inHurry) {
        await idle();
        next = nextTask(); // meanwhile another may have come into view
        if (!next) break;
      }
      try {
        await next.work(next.at);
      } catch (error) {
        charts.delete(next.at); // the others are drawn all the same
        console.error(error);
      }
      await turn();
    }
  } finally {
    isDrawing = false;
  }
}

/** A sentence above a chart where the page's picker shows in it, or does not. @param {HTMLElement} at */
function saysWhatIsShown(at) {
  const { views: [view], options } = /** @type {Chart} */ (charts.get(at));
  const says = at.parentElement?.querySelector(".shown");
  if (!view || !says) return;
  if (options.document) says.textContent = `Shown: ${view.signal("document")}`;
  else if (picked.document && picked.document !== page.all_documents) {
    says.textContent = "Shown: all documents; this figure does not show single documents.";
  } else if (picked.model && !options.model && picked.model !== page.all_models) {
    says.textContent = `This figure does not highlight ${picked.model}.`;
  } else says.textContent = "";
}

function startFigures() {
  charts.clear();
  near.clear();
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) near.add(/** @type {HTMLElement} */ (entry.target));
      else near.delete(/** @type {HTMLElement} */ (entry.target));
    }
    drawAll();
  }, { rootMargin: "300px" });
  for (const at of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".chart[data-spec]"))) {
    charts.set(at, { source: at.dataset.spec ?? "", views: [], width: 0, options: {}, shown: {}, asked: null });
    seen.observe(at);
  }
  drawAll(); // also where no frame is shown, such as in a hidden tab: then nothing is seen
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("button[data-saves]"))) {
    button.addEventListener("click", () => saveFigure(button));
  }
}
