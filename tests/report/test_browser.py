"""The pages in headless Chromium, opened from the disk, with no network."""

import csv
import io
import json
import re
import shutil
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="No Chromium is installed here.")

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr",
    "--virtual-time-budget=600000", "--window-size=1200,900",
]  # fmt: skip

# What a test does on the page: `steps`, which fill `told`; it is read off the page at the end.
PROBE = """
<pre id="probe"></pre>
<script>
{
const until = async (condition) => {
  for (let turn = 0; turn < 1000 && !condition(); turn++) {
    await new Promise((go) => setTimeout(go, 50));
  }
  if (!condition()) throw new Error(`never came true: ${condition}`);
};
const one = (selector) => document.querySelector(selector);
const press = (target, key) =>
  target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const choose = (selector, value) => {
  one(selector).value = value;
  one(selector).dispatchEvent(new Event("change"));
};
addEventListener("load", async () => {
  const told = {};
  try {
    await until(() => !one(".chart:not(.drawn)") && !one("#layers canvas:not(.painted)"));
    STEPS
  } catch (error) { told.error = String(error.stack); }
  one("#probe").textContent = JSON.stringify(told);
});
}
</script>
"""


@pytest.fixture
def browse(site, tmp_path):
    """browse(page, steps, *flags): what the steps told, and what the console said."""

    def run(page, steps="", *flags):
        html = site.html[page].replace("</body>", PROBE.replace("STEPS", steps) + "</body>")
        path = site.out / f"probe-{tmp_path.name}.html"
        path.write_text(html, encoding="utf-8")
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        command = [CHROMIUM, *FLAGS, *flags, profile, "--dump-dom", path.as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        finally:
            path.unlink()
        told = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
        assert told, done.stderr[-2000:]
        text = told[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        result = SimpleNamespace(console=console, dom=done.stdout, **json.loads(text))
        assert not hasattr(result, "error"), result.error
        return result

    return run


@pytest.mark.parametrize(
    ("page", "n_figures"),
    [
        ("compared", 4),
        ("found_sinks", 4),
        ("second_sink", 9),
        ("claims", 2),
        ("enc", 10),
        ("dec", 8),
    ],
)
def test_every_figure_is_drawn_and_the_console_is_silent(browse, page, n_figures):
    found = browse(
        page,
        """
      const all = (selector) => document.querySelectorAll(selector).length;
      told.drawn = all(".chart.drawn .role-mark") && all(".chart.drawn svg");
      told.marks = [...document.querySelectorAll(".chart")].map((chart) =>
        chart.querySelectorAll(".role-mark path").length);
      told.read = all(".chart .role-mark [aria-label]");
    """,
    )
    # Vega-Lite warns of panels whose layers filter the same data, which it sizes as it should.
    same_data = "Detected faceted independent scales that union domain of the same fields"
    assert [line for line in found.console if same_data not in line] == []
    assert found.drawn == n_figures
    assert all(found.marks), found.marks
    assert found.read == 0  # a figure has one name; its marks have none


@pytest.mark.parametrize("page", ["compared", "induction", "emergence", "claims", "enc", "dec"])
def test_no_figure_is_wider_than_its_page(browse, page):
    found = browse(page, """
      const right = (part) => part.getBoundingClientRect().right;
      told.over = [...document.querySelectorAll(".chart.drawn")].map((chart) =>
        [chart.closest("[id]").id, right(chart.querySelector("svg")) - right(one("main"))]);
    """)  # fmt: skip
    assert found.over
    assert [entry for entry in found.over if entry[1] > 1] == []


def test_a_page_without_results_is_silent(browse):
    for page in ("absent", "index", "run"):
        assert browse(page).console == []


def test_the_document_picker_drives_figures_and_maps(browse):
    found = browse(
        "enc",
        """
      const shown = () => [...document.querySelectorAll(".shown")].map((p) => p.textContent);
      told.before = shown();
      choose("[data-picks=document]", "one");
      await until(() => !shown().includes("Shown: all documents"));
      await until(() => one("#tokens").children.length === 12);
      told.after = shown();
      told.map = one("#layers canvas").dataset.document;
      told.address = location.search;
      told.tokens = [...document.querySelectorAll("#tokens span")].map((s) => s.textContent);
      told.elements = document.querySelectorAll("#tokens b, #tokens img").length;
    """,
    )
    assert "Shown: all documents" in found.before
    assert "Shown: two" in found.before  # the last layer is shown of one document
    assert "Shown: one" in found.after
    assert not {"Shown: two", "Shown: all documents"} & set(found.after)
    assert "one: 12 tokens" in found.after
    assert found.map == "one"
    assert found.address == "?document=one"
    assert found.tokens[1] == "</script><b>x</b>"
    assert found.elements == 0


def test_the_model_picker_makes_one_model_stand_out(browse):
    found = browse(
        "compared",
        """
      const faint = () => document.querySelectorAll("#sink_mass_models [opacity='0.12']").length;
      told.before = faint();
      choose("[data-picks=model]", "dec");
      await until(faint);
      told.after = faint();
    """,
    )
    assert found.before == 0
    assert found.after > 0


def test_the_dialog_reads_out_zooms_and_goes_from_layer_to_layer(browse, site):
    from sinkscope.extract.cell import cell_path, read_cell

    found = browse(
        "dec",
        """
      const readout = () => one(".readout").textContent;
      document.querySelectorAll("#layers button")[1].click();
      await until(() => readout().startsWith("layer 1:"));
      told.open = one("dialog").open;
      told.first = readout();
      press(one(".matrix svg"), "ArrowUp");
      told.moved = readout();
      press(one("dialog"), "ArrowRight");
      await until(() => readout().startsWith("layer 2:"));
      told.next = readout();
      told.address = location.search;
      told.region = [...view.region];
      press(one("dialog"), "+");
      told.zoomed = [...view.region];
      told.linear = one(".matrix").textContent.includes("linear scale");
      choose("#map-scale", "log");
      told.log = one(".matrix").textContent.includes("logarithmic scale");
      choose("#map-menu", "1-0");
      await until(() => readout().includes("head 0"));
      told.head = readout();
    """,
    )
    cell = read_cell(cell_path(site.folder / "results", "dec", "two"))
    last, tokens = cell.n_tokens - 1, cell.meta["tokens"]

    def value(matrix, query):
        shown = (round(255 * float(matrix[query, 0]) ** 0.5) / 255) ** 2
        return f'query {query} "{tokens[query]}" -> key 0 "Z": {shown:.3f}'

    assert found.open
    assert found.first == f"layer 1: {value(cell['map'][1], last)}"
    assert found.moved == f"layer 1: {value(cell['map'][1], last - 1)}"
    assert found.next == f"layer 2: {value(cell['map'][2], last - 1)}"
    assert found.address == "?map=dec%2Ftwo%2F2"
    assert found.region == [0, last, 0, last]
    assert found.zoomed == [20, last, 0, 19]
    assert found.linear
    assert found.log
    assert found.head == f"layer 1, head 0: {value(cell['head_map'][0], last - 1)}"
    assert found.console == []


def test_exports_say_what_they_show_and_hold_what_is_shown(browse, site):
    from sinkscope.extract.cell import cell_path, read_cell

    found = browse(
        "dec",
        """
      document.querySelectorAll("#layers button")[1].click();
      await until(() => one(".readout").textContent);
      told.whole = asCsv();
      told.received = [...view.means];
      const svg = new DOMParser().parseFromString(asSvg(), "image/svg+xml").documentElement;
      told.tag = svg.tagName;
      told.text = svg.textContent;
      told.hostile = asSvg().includes("<b>");
      told.png = (await asPng()).size;
      view.region = [20, 39, 0, 3];
      render();
      told.part = asCsv();
      told.partText = asSvg();
    """,
    )
    cell = read_cell(cell_path(site.folder / "results", "dec", "two"))
    expected = cell["map"][1].astype(np.float64)
    whole = list(csv.reader(io.StringIO(found.whole)))[1:]
    assert np.abs(np.array(whole)[:, 1:].astype(float) - expected).max() < 0.005
    part = list(csv.reader(io.StringIO(found.part)))[1:]
    assert np.abs(np.array(part)[:, 1:].astype(float) - expected[20:40, :4]).max() < 0.005
    assert np.abs(np.array(found.received) - expected.sum(0) / cell.n_tokens).max() < 0.004
    assert found.tag == "svg"
    for text in ("dec, layer 1, mean over heads", "document two;", "(part of 1), linear scale"):
        assert text in found.text
    assert "queries 20 to 39, keys 0 to 3" in found.partText
    assert not found.hostile
    assert found.png > 5000


def test_an_address_opens_its_map(browse, site, tmp_path):
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    address = (site.out / "enc.html").as_uri() + "?map=enc/three/2"
    done = subprocess.run([*command, address], capture_output=True, text=True, timeout=120)
    assert "enc, layer 2" in done.stdout
    # 70 tokens in 32 cells: a cell is named after the tokens that it averages.
    assert re.search(r"layer 2: query 67 to 69 ", done.stdout)


def test_the_theme_is_picked(browse):
    found = browse(
        "index",
        """
      const paper = () => getComputedStyle(document.body).backgroundColor;
      told.light = paper();
      one("#theme").click(); one("#theme").click();
      told.theme = document.documentElement.dataset.theme;
      told.dark = paper();
    """,
    )
    assert found.theme == "dark"
    assert found.light != found.dark


def test_escape_closes_the_explanation_of_a_term(browse):
    found = browse(
        "index",
        """
      const term = one(".term button");
      const shown = () => getComputedStyle(one(".term [role=tooltip]")).display;
      term.focus();
      told.focused = shown();
      press(term, "Escape");
      told.closed = shown();
      term.blur();
      term.focus();
      told.again = shown();
    """,
    )
    assert (found.focused, found.closed, found.again) == ("block", "none", "block")


def test_tables_sort(browse):
    found = browse(
        "run",
        """
      const head = [...document.querySelectorAll("#documents th button")]
        .find((button) => button.textContent === "enc");
      const column = () => [...document.querySelectorAll("#documents tbody tr")]
        .map((row) => row.cells[3].textContent.trim());
      head.click();
      told.up = column();
      head.click();
      told.down = column();
      told.sort = head.parentElement.getAttribute("aria-sort");
    """,
    )
    assert found.up == ["12", "40", "70"]
    assert found.down == ["70", "40", "12"]
    assert found.sort == "descending"


def test_a_phone_scrolls_only_up_and_down(browse):
    for page in ("index", "run", "enc"):
        found = browse(
            page,
            "told.width = document.documentElement.scrollWidth; told.window = innerWidth;",
            "--window-size=500,900",
        )
        assert found.width <= found.window


def test_the_reader_shades_a_text_and_shows_what_a_token_attends_to(browse, site):
    from sinkscope.extract.cell import cell_path, read_cell

    found = browse(
        "reader",
        """
      await until(() => one("#reader select"));
      choose("#reader select", "dec");
      const text = () => one("#reader .reading");
      await until(() => readers[0].key === "dec/two" && text().children.length === 40);
      const [, documents, layer] = document.querySelectorAll("#reader select");
      told.document = documents.value;
      choose("#reader label:nth-of-type(3) select", "2");
      await until(() => one("#reader .shown").textContent.startsWith("layer 2,"));
      await new Promise((go) => setTimeout(go, 500));
      told.shade = parseFloat(text().children[0].style.getPropertyValue("--shade"));
      text().children[20].click();
      await until(() => one("#reader .of-token ol"));
      told.lists = [...document.querySelectorAll("#reader .of-token ol")].map((list) =>
        [...list.children].map((item) => item.textContent));
      told.address = location.search;
      told.hostile = document.querySelectorAll("#reader b, #reader img").length;
      history.back();
      await until(() => !one("#reader .of-token ol"));
      told.after = location.search;
      one("#one-more").click();
      await until(() => document.querySelectorAll("#beside .reading span").length);
      told.beside = location.search;
    """,
    )
    cell = read_cell(cell_path(site.folder / "results", "dec", "two"))
    received = cell["sink_score"][2].mean(0)
    assert found.document == "two"
    assert found.shade == pytest.approx(100 * min(1, received[0] / 0.5), abs=1)
    attends, attended = found.lists
    row, column = cell["map"][2][20].astype(float), cell["map"][2][:, 20].astype(float)
    assert attends[0].startswith(f"{cell.meta['tokens'][row.argmax()]} {row.argmax()} ")
    assert float(attends[0].split()[-1]) == pytest.approx(row.max(), abs=0.004)
    assert float(attended[0].split()[-1]) == pytest.approx(column.max(), abs=0.004)
    assert "layer=2" in found.address
    assert "token=20" in found.address
    assert "token" not in found.after
    assert "b-model=enc" in found.beside
    assert found.hostile == 0
    assert found.console == []


def test_every_cell_of_the_overview_of_heads_leads_to_its_map(browse, site):
    from sinkscope.extract.cell import cell_path, read_cell

    found = browse(
        "reader",
        """
      await until(() => one("#reader select"));
      choose("#reader select", "enc");
      await until(() => readers[0].model === "enc" && one("#reader label:nth-of-type(2) select"));
      choose("#reader label:nth-of-type(2) select", "two");
      await until(() => readers[0].key === "enc/two" && readers[0].overview.cell > 1);
      told.loaded = Boolean(one('script[src*="/heads/"]'));
      const grid = one("#reader .heads"), box = grid.getBoundingClientRect();
      const at = (layer, head) => ({
        clientX: box.left + (readers[0].overview.left(head + 1) + 2) * box.width / grid.width,
        clientY: box.top + (layer * readers[0].overview.cell + 2) * box.height / grid.height,
      });
      told.values = [];
      for (const [layer, head] of [[0, 0], [0, 1], [1, 0], [2, 1]]) {
        grid.dispatchEvent(new MouseEvent("click", at(layer, head)));
        await until(() => one("#reader .preview canvas.painted")
          && one("#reader .preview button").textContent.endsWith(`layer ${layer}, head ${head}`));
        one("#reader .preview button").click();
        await until(() => one("#map-dialog").open && view.map === `${layer}-${head}`);
        view.cursor = [30, 0];
        readOut();
        told.values.push(Number(one("#map-dialog .readout").textContent.split(" ").at(-1)));
      }
    """,
    )
    maps = read_cell(cell_path(site.folder / "results", "enc", "two"))["coarse_map"]
    expected = [
        (maps[layer, head, 30, 0] / 255) ** 2 for layer, head in ((0, 0), (0, 1), (1, 0), (2, 1))
    ]
    assert found.values == pytest.approx(expected, abs=6e-4)
    assert not found.loaded  # before it was asked for
    assert found.console == []


PAGES_OF_FIGURES = ["claims", "compared", "enc", "second_sink", "bos", "emergence", "induction"]


@pytest.mark.parametrize("width", [500, 1280])
@pytest.mark.parametrize("page", PAGES_OF_FIGURES)
def test_figures_fit_and_no_name_is_cut_off(browse, page, width):
    found = browse(
        page,
        """
      const charts = [...document.querySelectorAll(".chart.drawn")];
      const right = (part) => part.getBoundingClientRect().right;
      told.cut = charts.flatMap((chart) => [...chart.querySelectorAll(".role-legend-label text")]
        .filter((text) => right(text) > right(chart.querySelector("svg")) + 2
          || text.getBoundingClientRect().left < chart.getBoundingClientRect().left)
        .map((text) => text.textContent)).filter((text) => Number.isNaN(Number(text)));
      told.wide = charts.filter((chart) => chart.scrollWidth > chart.clientWidth + 1)
        .map((chart) => chart.closest("[id]").id).filter((id) => id !== "second_sink_local");
      // Labels and legends that are too wide leave no room for the panel, nor for its axis.
      const axes = charts.flatMap((chart) => [...chart.querySelectorAll(".role-axis-domain line")]);
      told.squeezed = axes
        .filter((line) => line.getBBox().width < 20 && line.getBBox().height < 20)
        .map((line) => line.closest("figure").id);
    """,
        f"--window-size={width},900",
    )
    assert found.cut == []
    assert found.wide == []  # of three panels in a row, each has a least width
    assert found.squeezed == []


def test_a_head_of_a_figure_leads_to_its_map(browse):
    told = browse(
        "induction",
        """
      told.hints = [...document.querySelectorAll(".leads")].map((p) => p.closest("figure").id);
      told.opened = [];
      goTo = (href) => told.opened.push(decodeURIComponent(href));
      const marks = "#induction_scores .mark-rect path, #induction_on_text .mark-image image";
      for (const mark of document.querySelectorAll(marks)) {
        mark.dispatchEvent(new MouseEvent("click", { bubbles: true }));
      }
    """,
    )
    assert {"induction_scores", "induction_on_text", "induction_patterns"} <= set(told.hints)
    assert "induction_dormancy" not in told.hints  # of models
    # Only dec has maps.
    assert all(href.startswith("dec.html?map=dec/two/") for href in told.opened)
    assert "dec.html?map=dec/two/1-0" in told.opened
    assert told.console == []


def test_a_head_of_a_models_page_opens_its_map_there(browse):
    told = browse(
        "dec",
        """
      const cell = one("#heads .mark-rect.role-mark path");
      cell.dispatchEvent(new MouseEvent("click", { bubbles: true }));
      await until(() => one("#map-dialog").open);
      told.title = one("#map-title").textContent;
    """,
    )
    assert told.title == "dec, layer 0, head 0"


def test_pictures_of_attention_are_dark_in_the_dark(browse):
    told = browse(
        "induction",
        """
      const filters = () => [...new Set([...document.querySelectorAll(".mark-image")].map((mark) =>
        getComputedStyle(mark).filter))];
      told.light = filters();
      document.documentElement.toggleAttribute("data-dark", true);
      told.dark = filters();
    """,
    )
    assert told.light == ["none"]
    assert len(told.dark) == 1
    assert told.dark[0].startswith("invert")
