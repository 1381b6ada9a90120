// @ts-check
// Starts what the page has. In the report of one file, every page starts in turn in the same window.
"use strict";

function start() {
  readPage();
  startTheme();
  startPickers();
  startTables();
  startFigures();
  for (const one of starts) one();
  openTarget();
}

/** Open what the address points into: of browsers, not all do it. */
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const closed = target?.parentElement?.closest("details:not([open])");
  if (!closed) return;
  closed.setAttribute("open", "");
  target?.scrollIntoView();
}

/** Open another page of the report. @param {string} href */
function goTo(href) {
  if (typeof openPage === "function") openPage(href);
  else location.href = carried(href);
}

document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  const href = link?.getAttribute("href") ?? "";
  const plain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey;
  if (!plain || link?.hasAttribute("download") || !/^[^#/:]+\.html([?#]|$)/.test(href)) return;
  event.preventDefault();
  goTo(href);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const term of document.querySelectorAll(".term:hover, .term:focus-within")) {
    term.classList.add("closed");
    for (const leaving of ["pointerleave", "focusout", "click"]) {
      term.addEventListener(leaving, () => term.classList.remove("closed"), { once: true });
    }
  }
});
document.addEventListener("pick", () => {
  for (const at of charts.keys()) saysWhatIsShown(at);
  drawAll();
});
addEventListener("popstate", () => {
  if (typeof showPage === "function" && namedPage() !== pageName) showPage(namedPage());
  else watchers.forEach((watcher) => watcher());
});
addEventListener("hashchange", openTarget);
addEventListener("pageshow", (event) => { if (event.persisted) watchers.forEach((watcher) => watcher()); });
addEventListener("beforeprint", () => { drawing.inHurry = true; drawAll(); });
addEventListener("resize", () => setTimeout(drawAll, 250));
systemIsDark.addEventListener("change", () => setTheme(document.documentElement.dataset.theme ?? "auto"));
if (typeof showPage === "function" && namedPage() !== "index.html") showPage(namedPage());
else start();
