// @ts-check
// Long work in turns, between which the browser answers a click or a key.
"use strict";

/** The next task of the browser: it may answer a click first. */
function turn() {
  return new Promise((go) => setTimeout(go, 0));
}

const SLICE = 40; // milliseconds of work, after which the browser has a turn
const slices = { areCut: false, end: 0 };

/** Vega runs the operators of a chart one by one, and waits for one that returns a promise. */
function cutIntoSlices() {
  for (const kind of [vega.Operator, vega.Transform]) {
    const { run } = kind.prototype;
    kind.prototype.run = function (/** @type {unknown} */ pulse) {
      const next = run.call(this, pulse);
      if (!slices.areCut || next.then || next.async || performance.now() < slices.end) return next;
      return turn().then(() => {
        slices.end = performance.now() + SLICE;
        return next;
      });
    };
  }
}

/** What has run is drawn in a task of its own. */
function cutOffDrawing() {
  const { renderAsync } = vega.SVGRenderer.prototype;
  vega.SVGRenderer.prototype.renderAsync = async function (/** @type {unknown} */ scene) {
    if (slices.areCut) await turn();
    return renderAsync.call(this, scene);
  };
}

/**
 * The result of work with Vega, between whose steps the browser has its turns.
 * @template Result
 * @param {() => Promise<Result>} work
 */
async function inSlices(work) {
  Object.assign(slices, { areCut: true, end: performance.now() + SLICE });
  try {
    return await work();
  } finally {
    slices.areCut = false;
  }
}

/** A moment in which the browser has nothing else to do. */
function idle() {
  const later = window.requestIdleCallback ?? ((/** @type {() => void} */ go) => setTimeout(go, 50));
  return new Promise((go) => later(() => go(undefined), { timeout: 500 }));
}

if ("vega" in globalThis) {
  cutIntoSlices();
  cutOffDrawing();
}
