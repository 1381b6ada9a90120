// @ts-check
// The report in one file: its pages are compressed inside, and take each other's place in the window.
"use strict";

/** Pages and texts, compressed. @type {{pages: Record<string, string>, texts: Record<string, string>}} */
const inside = JSON.parse(byId("site").textContent ?? "{}");
/** The page that is shown. */
let pageName = "index.html";

/** The page that the address names. */
function namedPage() {
  const name = `${address.get("page") ?? "index"}.html`;
  return name in inside.pages ? name : "index.html";
}

/** @param {string} name */
async function showPage(name) {
  const { title, body } = await parsed(inside.pages[name]);
  pageName = name;
  document.title = new DOMParser().parseFromString(title, "text/html").documentElement.textContent ?? "";
  document.body.innerHTML = body;
  start();
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target) target.scrollIntoView();
  else scrollTo(0, 0);
}

/** Follow a link to another page of the report. @param {string} href as links between files have it */
function openPage(href) {
  const [path, fragment = ""] = carried(href).split("#", 2);
  const [file, query = ""] = path.split("?", 2);
  const parameters = new URLSearchParams(query);
  if (file !== "index.html") parameters.set("page", file.replace(/\.html$/, ""));
  const all = parameters.toString();
  address.memory = address.memory && parameters;
  address.write(`${all ? `?${all}` : location.pathname}${fragment && `#${fragment}`}`, true, parameters);
  showPage(file in inside.pages ? file : "index.html");
}

/** Texts are inside too. @param {string} key */
function textInside(key) {
  return key in inside.texts ? parsed(inside.texts[key]) : null;
}
