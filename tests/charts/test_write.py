"""Files of figures: strict specifications, text in pictures, and pictures that are kept."""

import json
import re
import shutil

from atlas.figures.of_site import drawn, listed
from report.made import HOSTILE, folder_bytes, strict_json
from sinkscope.atlas.figures.job import write_figures_of_all, write_figures_of_model
from sinkscope.charts import figure as drawing

FONTS = ["'Liberation Sans'", "Arial", "Helvetica"]


def test_every_figure_has_its_files_and_words(site):
    for model in ("enc", "dec", "all"):
        for entry in listed(site, model):
            for ending in ("json", "svg", "png", "csv"):
                path = site.results / "figures" / model / f"{entry['name']}.{ending}"
                assert path.stat().st_size > 50, path
            assert entry["finding"].endswith(".")
            assert "n = " in entry["caption"]
            assert "Unit: " in entry["caption"]


def test_specifications_are_strict_json_and_hold_the_csv(site):
    for path in (site.results / "figures").glob("*/*_*.json"):
        spec = strict_json(path.read_text(encoding="utf-8"))
        assert spec["datasets"]["drawn"] == path.with_suffix(".csv").read_text(encoding="utf-8")
        parsed = set(re.findall(r"[^,]+", spec["datasets"]["drawn"].splitlines()[0]))
        assert parsed == set(spec["data"]["format"]["parse"])


def test_hostile_tokens_stay_text_in_svg(site):
    text = (site.results / "figures/enc/last_layer.svg").read_text(encoding="utf-8")
    assert HOSTILE not in text
    assert HOSTILE in drawn(site, "enc", "last_layer")["token"]


def test_an_svg_asks_for_fonts_as_wide_as_the_one_it_was_laid_out_with(site):
    """The renderer has no font of the reader's system; metrics of these three are the same."""
    svg = (site.results / "figures/enc/sink_mass.svg").read_text(encoding="utf-8")
    asked = {name.split(", ")[:3] == FONTS for name in re.findall('font-family="([^"]*)"', svg)}
    assert asked == {True}


def test_a_second_run_is_byte_identical(site, tmp_path):
    tables = site.folder / "results" / "tables"
    write_figures_of_model(tables, tmp_path / "again", "enc")
    assert folder_bytes(tmp_path / "again") == folder_bytes(site.results / "figures" / "enc")
    write_figures_of_all(tables, tmp_path / "again")
    assert folder_bytes(tmp_path / "again") == folder_bytes(site.results / "figures" / "all")


def test_a_picture_is_kept_while_its_figure_is_what_it_was(site, tmp_path, monkeypatch):
    tables, out = site.folder / "results" / "tables", tmp_path / "all"
    shutil.copytree(site.results / "figures" / "all", out)
    names = [one["name"] for one in json.loads((out / "figures.json").read_text())]
    drawn = []
    draw = drawing.as_svg

    def counting(spec):
        drawn.append(spec["title"])
        return draw(spec)

    counting.__wrapped__ = draw  # whose source is looked at
    monkeypatch.setattr(drawing, "as_svg", counting)
    write_figures_of_all(tables, out)
    assert drawn == []
    damaged = out / f"{names[0]}.svg"
    damaged.write_bytes(damaged.read_bytes()[:-3])
    write_figures_of_all(tables, out)
    assert len(drawn) == 1
    monkeypatch.setattr(drawing, "version", lambda package: "another")
    write_figures_of_all(tables, out)
    assert len(drawn) == 1 + len(names)
    before = folder_bytes(site.results / "figures" / "all")
    after = folder_bytes(out)
    assert {name for name in before if before[name] != after[name]} == {"drawn.json"}
