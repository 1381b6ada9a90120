"""What is left of models and experiments that are no longer in the configuration."""

import shutil

import pytest

from report.made import folder_bytes
from sinkscope.config import load
from sinkscope.grid import Grid
from sinkscope.report.leftovers import remove_leftovers


@pytest.fixture
def out(site, tmp_path):
    shutil.copytree(site.out, tmp_path / "reports")
    return tmp_path / "reports"


def grid_of(site, models=("enc", "dec", "absent"), source="zoo", **changes):
    rows = ["model\tsource", *(f"{model}\t{source}:{model}" for model in models)]
    (site.folder / "config/other.tsv").write_text("\n".join(rows) + "\n")
    return Grid(load(site.grid.config.raw | {"models": "config/other.tsv"} | changes, site.folder))


def belongs_to(path, *folders):
    return path.startswith(tuple(f"{folder}/" for folder in folders))


def test_what_the_grid_has_stays_also_of_a_partial_report(site, out):
    """Of a partial report, only some sections are written."""
    before = folder_bytes(out)
    assert remove_leftovers(out, grid_of(site), []) == []
    assert remove_leftovers(out, grid_of(site), ["norms"]) == []
    assert folder_bytes(out) == before


def test_a_removed_model_goes_with_its_page_figures_and_maps(site, out):
    (out / "dec/").mkdir()
    (out / "figures/dec/made.0123456789ab.json").touch()
    before = folder_bytes(out)
    remove_leftovers(out, grid_of(site, ("enc", "absent")), [])
    gone = {name for name in before if belongs_to(name, "figures/dec", "maps/dec")} | {"dec.html"}
    assert len(gone) > 40
    assert folder_bytes(out) == {name: before[name] for name in before if name not in gone}
    assert not (out / "figures/dec").exists()
    assert not (out / "maps/dec").exists()
    assert (out / "dec").is_dir()


def test_a_removed_experiment_goes_with_its_section_tables_and_page(site, out):
    before = folder_bytes(out)
    remove_leftovers(out, grid_of(site, source="path", experiments=["bos", "emergence"]), ["bos"])
    left = set(folder_bytes(out))
    sections = {name.split("/")[1] for name in left if belongs_to(name, "sections")}
    assert sections == {"bos", "front", "found_sinks"}  # the last two are of the atlas
    for name in (
        "claims.html",
        "norms.html",
        "data/norms.parquet",
        "data/claims.csv",
        "data/emergence.parquet",
    ):
        assert name in before
        assert name not in left
    for name in ("data/bos.parquet", "data/heads.parquet", "data/models.csv", "assets/report.css"):
        assert name in left


def test_files_that_sinkscope_did_not_write_stay(site, out):
    own = {
        "figures/dec/notes.txt": "mine",
        "figures/mine/plot.svg": "mine",
        "maps/dec/one/mine.png": "mine",
        "sections/broken/figures.json": "no JSON",
        "data/mine.csv": "mine",
        "page.html": "<title>Page · Sinkscope</title>",
        "dec copy.html": (out / "dec.html").read_text(encoding="utf-8"),
        "look.html": "<title>dec, text · Sinkscope</title><style></style>",
    }
    for name, text in own.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(text, encoding="utf-8")
    elsewhere = out.parent / "elsewhere"
    (out / "figures/enc").rename(elsewhere)
    (out / "figures/enc").symlink_to(elsewhere)
    linked = folder_bytes(elsewhere)
    remove_leftovers(out, grid_of(site, ("absent",), experiments=[]), [])
    left = folder_bytes(out)
    assert not belongs_to("\n".join(left), "maps/enc")
    assert {name: left[name].decode() for name in own} == own
    assert folder_bytes(elsewhere) == linked
    assert "dec.html" not in left
    assert "figures/dec/figures.json" not in left
