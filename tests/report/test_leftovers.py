"""What is left of models and experiments that are no longer in the configuration."""

import shutil

import pytest

from report.made import folder_bytes
from sinkscope.config import load
from sinkscope.grid import Grid
from sinkscope.report.leftovers import remove_leftovers


@pytest.fixture
def run(site, tmp_path):
    """A folder with reports/ and the figures of results/."""
    shutil.copytree(site.out, tmp_path / "reports")
    for name in ("figures", "sections"):
        shutil.copytree(site.results / name, tmp_path / "results" / name)
    return tmp_path


def remove(run, grid, sections):
    return remove_leftovers(run / "reports", run / "results", grid, sections)


def grid_of(site, models=("enc", "dec", "absent"), source="zoo", **changes):
    rows = ["model\tsource", *(f"{model}\t{source}:{model}" for model in models)]
    (site.folder / "config/other.tsv").write_text("\n".join(rows) + "\n")
    return Grid(load(site.grid.config.raw | {"models": "config/other.tsv"} | changes, site.folder))


def belongs_to(path, *folders):
    return path.startswith(tuple(f"{folder}/" for folder in folders))


def test_what_the_grid_has_stays_also_of_a_partial_report(site, run):
    """Of a partial report, only some sections are written."""
    before = folder_bytes(run)
    assert remove(run, grid_of(site), []) == []
    assert remove(run, grid_of(site), ["norms"]) == []
    assert folder_bytes(run) == before


def test_a_removed_model_goes_with_its_page_figures_and_maps(site, run):
    (run / "reports/dec/").mkdir()
    (run / "results/figures/dec/made.0123456789ab.json").touch()
    before = folder_bytes(run)
    remove(run, grid_of(site, ("enc", "absent")), [])
    folders = ("results/figures/dec", "reports/maps/dec")
    gone = {name for name in before if belongs_to(name, *folders)} | {"reports/dec.html"}
    assert len(gone) > 30
    assert folder_bytes(run) == {name: before[name] for name in before if name not in gone}
    assert not (run / "results/figures/dec").exists()
    assert not (run / "reports/maps/dec").exists()
    assert (run / "reports/dec").is_dir()


def test_a_removed_experiment_goes_with_its_section_tables_and_page(site, run):
    before = folder_bytes(run)
    remove(run, grid_of(site, source="path", experiments=["bos", "emergence"]), ["bos"])
    left = set(folder_bytes(run))
    sections = {name.split("/")[2] for name in left if belongs_to(name, "results/sections")}
    assert sections == {"bos", "front", "found_sinks"}  # the last two are of the atlas
    for name in (
        "claims.html",
        "norms.html",
        "data/norms.parquet",
        "data/claims.csv",
        "data/emergence.parquet",
    ):
        assert f"reports/{name}" in before
        assert f"reports/{name}" not in left
    for name in ("data/bos.parquet", "data/heads.parquet", "data/models.csv", "assets/report.css"):
        assert f"reports/{name}" in left


def test_files_that_sinkscope_did_not_write_stay(site, run, tmp_path_factory):
    own = {
        "results/figures/dec/notes.txt": "mine",
        "results/figures/mine/plot.svg": "mine",
        "reports/maps/dec/one/mine.png": "mine",
        "results/sections/broken/figures.json": "no JSON",
        "reports/data/mine.csv": "mine",
        "reports/page.html": "<title>Page · Sinkscope</title>",
        "reports/dec copy.html": (run / "reports/dec.html").read_text(encoding="utf-8"),
        "reports/look.html": "<title>dec, text · Sinkscope</title><style></style>",
    }
    for name, text in own.items():
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(text, encoding="utf-8")
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "enc"
    (run / "results/figures/enc").rename(elsewhere)
    (run / "results/figures/enc").symlink_to(elsewhere)
    linked = folder_bytes(elsewhere)
    remove(run, grid_of(site, ("absent",), experiments=[]), [])
    left = folder_bytes(run)
    assert not belongs_to("\n".join(left), "reports/maps/enc")
    assert {name: left[name].decode() for name in own} == own
    assert folder_bytes(elsewhere) == linked
    assert "reports/dec.html" not in left
    assert "results/figures/dec/figures.json" not in left
