"""A report of 40 models on 100 documents, made from renamed rows of a small run."""

import re
import subprocess

import polars as pl
import pytest

from report.scaled import names, scaled_maps, scaled_tables
from report.test_browser import CHROMIUM, FLAGS, PROBE
from report.test_firefox import TELL, told  # noqa: F401
from report.test_report import Elements
from sinkscope.atlas.figures.job import write_figures_of_all
from sinkscope.catalogue import sections
from sinkscope.charts.section import write_section
from sinkscope.config import load
from sinkscope.findings.job import write_findings
from sinkscope.grid import Grid
from sinkscope.jobs.wanted import Wanted
from sinkscope.report.about import Origin
from sinkscope.report.build import write_report


@pytest.fixture(scope="module")
def large(site, tmp_path_factory):
    """The report's folder, with the front page and the page that compares models."""
    folder = tmp_path_factory.mktemp("large")
    models, documents = names("model", 40, ["enc", "dec"]), names("doc", 100, ["one", "two"])
    (folder / "config").mkdir()
    rows = {"models": "source", "documents": "path"}
    texts = {name: f"{name}.txt" for name in documents}
    entries = {"models": {name: f"hub:x/{name}" for name in models}, "documents": texts}
    for table, column in rows.items():
        lines = [f"{table[:-1]}\t{column}", *("\t".join(row) for row in entries[table].items())]
        (folder / f"config/{table}.tsv").write_text("\n".join(lines) + "\n")
    for name in documents:
        (folder / f"{name}.txt").write_text(f"Z {name}")
    results, out = folder / "results", folder / "reports"
    scaled_tables(site.results / "tables", results / "tables", models, documents)
    scaled_maps(site.out / "maps", out / "maps", models, dict(list(documents.items())[:20]))
    write_figures_of_all(results / "tables", results / "figures" / "all")
    front = sections()["front"]
    frames = list(front.section.tables)
    drawn = results / "sections" / "front"
    write_section(front.package, front.section.figures, frames, results / "tables", drawn)
    findings = results / "tables" / "findings.parquet"
    of_models = pl.read_parquet(findings)  # under the new names; their figures are not drawn
    write_findings([results / "figures" / "all", drawn], results / "tables")
    pl.concat([pl.read_parquet(findings), of_models.filter(pl.col("model") != "")]).unique(
        ["figure", "model", "name", "rank"], keep="first", maintain_order=True
    ).write_parquet(findings)
    config = {table: f"config/{table}.tsv" for table in rows}
    grid = Grid(load(config | {"experiments": []}, folder))
    write_report(Wanted(grid, folder), results, out, Origin("c0ffee"), ["front"])
    return out


def test_the_front_page_is_small(large):
    index = large / "index.html"
    assert index.stat().st_size < 1_500_000
    assert len(Elements(index.read_text(encoding="utf-8")).found) < 25_000


def test_the_report_has_few_files(large):
    files = [path for path in large.rglob("*") if path.is_file()]
    assert len(files) < 40 * 20 + 300
    assert sum(path.stat().st_size for path in files) < 120_000_000


@pytest.mark.skipif(CHROMIUM is None, reason="No Chromium is installed here.")
def test_figures_show_a_dozen_models_and_those_that_are_searched_for(large, tmp_path):
    shown = {}
    for name, query in (("first", ""), ("found", "?models=model-3"), ("all", "?all=1")):
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / name}", "--dump-dom"]
        address = (large / "compared.html").as_uri() + query
        done = subprocess.run([*command, address], capture_output=True, text=True, timeout=120)
        assert "CONSOLE" not in done.stderr
        figure = done.stdout.split('id="sink_mass_models"')[1].split("</figure>")[0]
        drawn = figure.split("<script")[0]
        shown[name] = (
            re.search(r">(\d+ of \d+ models)</span>", drawn)[1],
            sorted(set(re.findall(r">(model-\d\d-\w+) \(", drawn))),
        )
    assert shown["first"][0] == "12 of 40 models"
    assert len(shown["first"][1]) == 12
    assert shown["found"][0] == "10 of 40 models"
    assert all(name.startswith("model-3") for name in shown["found"][1])
    assert (shown["all"][0], len(shown["all"][1])) == ("40 of 40 models", 40)


# Each limit is three times what a quiet machine needs to keep: 100 ms, and 200 ms for a task.
MOST_TO_PAINT, LONGEST_TASK = 300, 600  # milliseconds
IN_REAL_TIME = [flag for flag in FLAGS if "virtual-time" not in flag and "resolver" not in flag]
STEPS = """
  const painted = () => new Promise((go) => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = go;
    port2.postMessage(0);
  }));
  const before = new Map([...charts].map(([at, chart]) => [at, chart.views[0]]));
  const name = (at) => at.closest("figure").id;
  one(".chart").scrollIntoView();
  await until(() => !isDrawing && near.size);
  told.tasks = longest;
  told.times = [];
  for (let i = 1; i < 6; i++) {
    const start = performance.now();
    choose("[data-picks=model]", one("[data-picks=model]").options[i * 3].value);
    await painted();
    while ([...near].some((at) => missed(charts.get(at)).length)) await painted();
    told.times.push(performance.now() - start);
    await until(() => !isDrawing && ![...charts.values()].some((chart) => missed(chart).length));
  }
  const redrawn = () =>
    [...charts].filter(([at, { views }]) => views[0] !== before.get(at)).map(([at]) => name(at));
  told.redrawn = redrawn();
  Object.defineProperty(window, "innerWidth", { value: innerWidth - 100 });
  dispatchEvent(new Event("resize"));
  await until(() => [...near].every((at) => charts.get(at).width === innerWidth) && !isDrawing);
  await new Promise((go) => setTimeout(go, 500));
  told.near = [...near].map(name);
  told.far = [...charts.keys()].filter((at) => !near.has(at)).map(name);
  told.resized = redrawn();
"""
TASKS = """<script>
let longest = [];
new PerformanceObserver((list) => longest.push(...list.getEntries().map((entry) => entry.duration)))
  .observe({ type: "longtask", buffered: true });
</script>"""


@pytest.fixture
def in_real_time(large, tmp_path, told):  # noqa: F811
    """What the page that compares models tells, with 40 models and 100 documents."""
    heard, port = told
    end = 'one("#probe").textContent'
    tell = TELL.replace("PORT", str(port)).replace("told.problems = problems;", "") + end
    html = (large / "compared.html").read_text(encoding="utf-8")
    probe = PROBE.replace(end, tell).replace("STEPS", STEPS)
    path = large / "probe.html"
    html = html.replace("<head>", f"<head>{TASKS}", 1).replace("</body>", f"{probe}</body>")
    path.write_text(html, encoding="utf-8")
    command = [
        *(CHROMIUM, *IN_REAL_TIME, f"--user-data-dir={tmp_path / 'profile'}"),
        *("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--remote-debugging-port=0"),
    ]
    with subprocess.Popen(
        [*command, path.as_uri()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as browser:
        try:
            found = heard.get(timeout=120)
        finally:
            browser.terminate()
            path.unlink()
    assert "error" not in found, found["error"]
    return found


@pytest.mark.skipif(CHROMIUM is None, reason="No Chromium is installed here.")
def test_a_large_page_answers_at_once_and_redraws_only_what_is_seen(in_real_time):
    found = in_real_time
    assert max(found["tasks"], default=0) < LONGEST_TASK
    assert sorted(found["times"])[2] < MOST_TO_PAINT
    assert found["redrawn"] == []  # a picker changes a chart, which is not drawn anew
    assert found["far"]
    assert sorted(found["resized"]) == sorted(found["near"])
