// The scripts of a page share one scope: a name that one declares may be used in another.
import { readdirSync, readFileSync } from "node:fs";
import js from "@eslint/js";
import globals from "globals";

const FOLDER = new URL("../../workflow/sinkscope/report/static/", import.meta.url);
const texts = readdirSync(FOLDER).filter((name) => name.endsWith(".js")).map((name) => readFileSync(new URL(name, FOLDER), "utf8"));
const declared = texts.flatMap((text) => [...text.matchAll(/^(?:async )?(?:function|const|let|class) (\w+)/gm)].map((match) => match[1]));

export default [
  js.configs.recommended,
  {
    languageOptions: {
      sourceType: "script",
      globals: { ...globals.browser, ...Object.fromEntries(declared.map((name) => [name, "writable"])), vega: "readonly", vegaLite: "readonly", vegaEmbed: "readonly" },
    },
    rules: {
      "no-redeclare": "off", // of a name that its own script declares
      "no-unused-vars": ["error", { vars: "local" }], // others are used by another script
      "no-var": "error",
      "prefer-const": "error",
      eqeqeq: "error",
      "max-lines": ["error", 420],
    },
  },
];
