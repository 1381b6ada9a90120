// @ts-check
// Marks of single heads lead to the maps of these heads: on the page of a model to its dialog, elsewhere
// to the page of the mark's model.
"use strict";

/** @param {Record<string, any> | undefined} datum of a mark */
function openMapOf(datum) {
  const model = datum?.model ?? page.model;
  const documentName = page.head_maps?.[model];
  if (datum?.layer === undefined || datum.head === undefined || !documentName) return;
  if (model === page.model) openHead(datum.layer, datum.head);
  else goTo(`${model}.html?map=${encodeURIComponent(`${model}/${documentName}/${datum.layer}-${datum.head}`)}`);
}

/** Whether the rows of a chart are of single heads whose maps this report has. @param {VegaLiteSpec} spec */
function isOfHeads(spec) {
  const [head] = rawRows(`${Object.values(spec.datasets)[0].split("\n", 1)[0]}\n`);
  return ["layer", "head"].every((name) => head.fields.includes(name)) && Object.keys(page.head_maps ?? {}).length > 0;
}

/** @param {HTMLElement} at a chart of heads @param {VegaView[]} views of its parts */
function leadToMaps(at, views) {
  const isAbsent = typeof textInside === "function";
  if (!at.previousElementSibling?.classList.contains("leads")) {
    at.before(element("p", { class: "shown leads" }, isAbsent
      ? "The maps of these heads are in the report's folder, not in this file."
      : "Click a head to open its map."));
  }
  if (isAbsent) return;
  at.classList.add("leads-to-maps");
  for (const view of views) view.addEventListener("click", (_, item) => openMapOf(item?.datum));
}
