"""Every page by the rules of axe-core, in both themes, with all that opens open."""

import json
from pathlib import Path

import axe_core_python
import pytest

from report.test_browser import CHROMIUM, browse  # noqa: F401 (a fixture)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="No Chromium is installed here.")
AXE = Path(axe_core_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
# One page of each template.
PAGES = ("index", "compared", "run", "induction", "claims", "enc", "dec", "absent")
STEPS = """
  const script = document.createElement("script");
  script.textContent = AXE_TEXT;
  document.head.append(script);
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
  const problems = async () => (await axe.run(document, { resultTypes: ["violations"] })).violations
    .map((one) => `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 120)).join(" | ")}`);
  told.light = await problems();
  while (document.documentElement.dataset.theme !== "dark") one("#theme").click();
  if (one("#layers button")) {
    one("#layers button").click();
    await until(() => one("dialog").open && one(".readout").textContent);
  }
  told.dark = await problems();
"""


@pytest.mark.parametrize("page", PAGES)
def test_no_rule_of_axe_is_broken(browse, page):  # noqa: F811
    text = json.dumps(AXE).replace("<", "\\u003c")  # nothing in it ends the script
    found = browse(page, STEPS.replace("AXE_TEXT", text))
    assert found.light == []
    assert found.dark == []
