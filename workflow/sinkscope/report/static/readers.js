// @ts-check
// The readers of a page: one, or two side by side. The parameters of the second have "b-" in front.
"use strict";

/** @type {Reader[]} */
let readers = [];

/** Show what the address says now. */
function showAgain() {
  readers.forEach((reader) => reader.show());
}

function showReaders() {
  const isTwo = [...address.parameters().keys()].some((name) => name.startsWith("b-"));
  const places = [byId("reader"), byId("beside")];
  places[1].hidden = !isTwo;
  byId("readers").classList.toggle("two", isTwo);
  readers = [readers[0] ?? new Reader(places[0], ""), ...(isTwo ? [readers[1] ?? new Reader(places[1], "b-")] : [])];
  byId("one-more").hidden = isTwo;
  byId("one-less").hidden = !isTwo;
  document.title = `${readers[0].model}, ${readers[0].entry.document} · Sinkscope`;
  return Promise.all(readers.map((reader) => reader.show()));
}

function startReader() {
  if (!document.getElementById("readers")) return;
  readers = [];
  byId("one-more").addEventListener("click", () => {
    const [{ models, model, entry }] = readers;
    const other = Object.keys(models).find((name) => name !== model && models[name].some((one) => one.document === entry.document));
    address.set({ "b-model": other ?? model, "b-document": entry.document }, true);
    showReaders();
  });
  byId("one-less").addEventListener("click", () => {
    const names = [...address.parameters().keys()].filter((name) => name.startsWith("b-"));
    address.set(Object.fromEntries(names.map((name) => [name, null])), true);
    showReaders();
  });
  onState(showReaders);
  showReaders();
}

starts.push(startReader);
