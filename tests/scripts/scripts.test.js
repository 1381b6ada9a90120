// Pure parts of the report's scripts, run in a window that is not there.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import vm from "node:vm";

const FOLDER = new URL("../../workflow/sinkscope/report/static/", import.meta.url);

/** A scope with these scripts. query: of the page's address. */
function scope(names, query = "") {
  const node = { textContent: "{}", addEventListener() {}, append() {} };
  const visited = [];
  const location = { search: query, hash: "", pathname: "/reports/index.html" };
  const change = (kind) => (_, __, url) => {
    visited.push([kind, url]);
    location.search = url.includes("?") ? url.slice(url.indexOf("?")).split("#")[0] : "";
  };
  const window = {
    URLSearchParams, Map, Set, Float32Array, Float64Array, Uint8Array, Uint16Array, console, setTimeout, location, visited,
    history: { pushState: change("push"), replaceState: change("replace") },
    document: { getElementById: () => node, addEventListener() {}, querySelectorAll: () => [], querySelector: () => null },
    matchMedia: () => ({ matches: false, addEventListener() {} }),
  };
  vm.createContext(window);
  const text = names.map((name) => readFileSync(new URL(`${name}.js`, FOLDER), "utf8")).join("\n");
  const exposed = "Object.assign(globalThis, { address, carried, picked })";
  vm.runInContext(`${text}\n${exposed}`, window);
  return window;
}

test("the address keeps what it is told, and steps only where Back should lead", () => {
  const page = scope(["state"], "?document=one");
  page.address.set({ layer: 3 });
  page.address.set({ layer: 4, token: 0 }, true);
  page.address.set({ layer: 4 }, true); // nothing new: no step
  page.address.set({ document: null });
  assert.deepEqual(page.visited.map(([kind]) => kind), ["replace", "push", "replace"]);
  assert.equal(page.location.search, "?layer=4&token=0");
  assert.equal(page.address.get("token"), "0");
});

test("a browser that forbids to change the address keeps the state in memory", () => {
  const page = scope(["state"]);
  page.history.pushState = page.history.replaceState = () => { throw new Error("forbidden"); };
  page.address.set({ layer: 3 });
  assert.equal(page.address.get("layer"), "3");
  assert.equal(page.location.search, "");
});

test("links take along what is picked, and keep what they say themselves", () => {
  const page = scope(["state"], "?document=one&theme=dark&layer=3");
  assert.equal(page.carried("dec.html#heads"), "dec.html?theme=dark&document=one#heads");
  assert.equal(page.carried("reader.html?document=two"), "reader.html?document=two&theme=dark");
  assert.equal(scope(["state"]).carried("dec.html"), "dec.html");
});

test("numbers are in order of size, before texts", () => {
  const { inOrder } = scope(["state", "saving", "tables"]);
  const sorted = ["b", "10", "9", "", "1,200", "-3", "a"].sort(inOrder);
  assert.deepEqual(sorted, ["-3", "9", "10", "1,200", "", "a", "b"]);
});

test("texts that a spreadsheet would run are quoted, numbers are not", () => {
  const { csvField, safeCsv } = scope(["state", "saving", "tables"]);
  assert.deepEqual(["-3", "=1+1", "@x", 'a"b', "a,b", "x"].map(csvField), ["-3", "'=1+1", "'@x", '"a""b"', '"a,b"', "x"]);
  const text = 'token,share\n-,0.5\n"=A,B",-0.25\n"say ""hi""",1\n';
  assert.equal(safeCsv(text, { share: "number" }), 'token,share\n\'-,0.5\n"\'=A,B",-0.25\n"say ""hi""",1\n');
});

test("a dozen models are shown of many, the highlighted one among them, or those that are searched for", () => {
  const many = Array.from({ length: 40 }, (_, i) => `model-${i}`);
  const text = `model,document,value\n${many.map((name) => `${name},"a, b",1\n`).join("")}`;
  const spec = () => ({ facet: {}, datasets: { drawn: text } });
  const page = scope(["state", "figures", "parts", "few"]);
  page.picked.model = "model-39";
  const few = spec();
  assert.deepEqual({ ...page.leaveFew(few) }, { shown: 12, all: 40 });
  assert.equal(few.datasets.drawn.split("\n").length, 14);
  assert.match(few.datasets.drawn, /model-39,"a, b",1/);
  const found = spec();
  assert.equal(scope(["state", "figures", "parts", "few"], "?models=MODEL-3").leaveFew(found).shown, 11);
  assert.equal(scope(["state", "figures", "parts", "few"], "?all=1").leaveFew(spec()).shown, 40);
  assert.equal(page.leaveFew({ datasets: { drawn: text } }), null); // neither panels nor rows
});

test("a panel is kept if it is about a model that is shown, or about none", () => {
  const page = scope(["state", "figures", "parts", "few"], "?models=m1");
  const panel = (model) => ({ layer: [{ transform: [{ filter: { field: "model", equal: model } }] }] });
  const rows = Array.from({ length: 20 }, (_, i) => `m${i}\n`).join("");
  const spec = { concat: [panel("m1"), panel("m2"), { layer: [] }], datasets: { drawn: `model\n${rows}` } };
  page.leaveFew(spec);
  assert.equal(spec.concat.length, 2);
});

test("panels are found in rows of panels, and the first row that is left has the legend", () => {
  const page = scope(["state", "figures", "parts", "few"], "?models=m1");
  const panel = (model, legend) => ({ transform: [{ filter: { field: "model", equal: model } }], encoding: { color: { legend } } });
  const rows = Array.from({ length: 20 }, (_, i) => `m${i}\n`).join("");
  const pair = (model, legend) => ({ hconcat: [panel(model, legend), panel(model, null)] });
  const spec = { vconcat: [pair("m0", { columns: 2 }), pair("m1", null), pair("m2", null)], datasets: { drawn: `model\n${rows}` } };
  page.leaveFew(spec);
  assert.equal(spec.vconcat.length, 1);
  assert.equal(spec.vconcat[0].hconcat[0].encoding.color.legend.columns, 2);
});

test("a chart of many panels is drawn in parts, each with the rows of its models", () => {
  const page = scope(["state", "figures", "parts", "few"]);
  const names = Array.from({ length: 8 }, (_, i) => `m${i}`);
  const panel = (name) => ({ transform: [{ filter: { field: "model", equal: name } }], encoding: { color: { field: "kind", legend: { columns: 2 } } } });
  const concat = names.map((name) => ({ vconcat: [panel(name), panel(name)] }));
  const text = `model\n${names.map((name) => `${name}\n`).join("")}`;
  const parts = page.partsOf({ concat, columns: 3, datasets: { drawn: text } });
  assert.deepEqual([...parts.map((part) => part.concat.length)], [3, 3, 2]); // whole rows
  assert.deepEqual([...parts.map((part) => part.datasets.drawn)], ["model\nm0\nm1\nm2\n", "model\nm3\nm4\nm5\n", "model\nm6\nm7\n"]);
  assert.deepEqual([...parts.map((part) => part.concat[0].vconcat[0].encoding.color.legend)], [{ columns: 2 }, null, null]);
  const few = { concat: concat.slice(0, 3), columns: 3, datasets: { drawn: text } };
  assert.equal(page.partsOf(few).length, 1);
  const y = (scale) => ({ facet: { field: "model" }, columns: 3, datasets: { drawn: text }, spec: { layer: [{ encoding: { y: { field: "value", scale } } }] } });
  assert.equal(page.partsOf(y({ domain: [0, 1] })).length, 2);
  assert.equal(page.partsOf(y(undefined)).length, 1); // a scale of all panels
});

test("a chart with a row per model is as high as the rows that are left", () => {
  const page = scope(["state", "figures", "parts", "few"]);
  const rows = Array.from({ length: 24 }, (_, i) => `m${i},1\n`).join("");
  const spec = { height: 480, layer: [{ encoding: { y: { field: "model", type: "nominal" } } }], datasets: { drawn: `model,value\n${rows}` } };
  assert.equal(page.leaveFew(spec).shown, 12);
  assert.equal(spec.height, 240);
});

test("a map is read column by column, and its means are over queries", () => {
  const page = scope(["state", "map_data", "maps"]);
  vm.runInContext("matrix = { n: 2, bytes: Uint8Array.from([255, 0, 51, 102]), first: [0, 1, 2] }; globalThis.found = [attentionOf(matrix, 1, 1), [...means(matrix)]]", page);
  const [one, means] = page.found;
  assert.ok(Math.abs(one - (102 / 255) ** 2) < 1e-6);
  assert.ok(Math.abs(means[0] - 0.5) < 1e-6);
  assert.ok(Math.abs(means[1] - ((51 / 255) ** 2 + (102 / 255) ** 2) / 2) < 1e-6);
});

test("a cell of a map counts as often as it has queries", () => {
  const page = scope(["state", "map_data", "maps"]);
  vm.runInContext("globalThis.found = [...means({ n: 2, bytes: Uint8Array.from([255, 0, 0, 255]), first: [0, 1, 4] })]", page);
  assert.deepEqual([...page.found], [0.25, 0.75]);
});

test("the coarse map of a head is the part of its layer and head, of a causal model below the diagonal", async () => {
  const page = scope(["state", "map_data", "maps", "coarse"]);
  vm.runInContext(`
    page = { maps: { folder: "", models: { m: [{ document: "d", layers: [0, 4], n_heads: 2, every_head: true }] } } };
    loading.set("m/d/heads", Promise.resolve({ first: [0, 1, 3], packed: "" }));
    unpacked = async () => Uint8Array.from({ length: 12 }, (_, i) => i + 1);
    globalThis.found = coarse("m", "d", { causal: true }, "4-1");
    globalThis.kept = ["4-1", "4"].map((map) => [hasMap("m", "d", { maps: {} }, map), hasMap("m", "d", {}, map)]);
  `, page);
  const { n, bytes, isSum } = await page.found;
  assert.deepEqual([n, [...bytes], isSum], [2, [10, 11, 0, 12], true]);
  assert.deepEqual(Array.from(page.kept, (one) => [...one]), [[true, false], [false, false]]);
});

test("work in slices gives the browser a turn once a slice is over, and results are the same", async () => {
  const page = scope(["state", "turns"]);
  class Operator { run(pulse) { return pulse; } }
  class Transform { run(pulse) { return pulse; } }
  page.vega = { Operator, Transform };
  let now = 0;
  page.performance = { now: () => now };
  page.cutIntoSlices();
  const operator = new Operator();
  assert.equal(operator.run("drawn at once"), "drawn at once");
  await page.inSlices(async () => {
    assert.equal(operator.run(1), 1);
    now = 41;
    const next = operator.run(2);
    assert.equal(typeof next.then, "function");
    assert.equal(await next, 2);
    assert.equal(new Transform().run(3), 3); // of the next slice
  });
  now = 1000;
  assert.equal(operator.run(4), 4);
});
