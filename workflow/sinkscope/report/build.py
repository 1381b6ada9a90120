"""The report: its pages, and the data that they offer for download."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from sinkscope.atlas.tables import tables_of_atlas
from sinkscope.catalogue import pages_of
from sinkscope.catalogue import sections as every_section
from sinkscope.files import write_text, written
from sinkscope.jobs.wanted import Wanted
from sinkscope.report import pages
from sinkscope.report.about import Origin
from sinkscope.report.content import Report
from sinkscope.report.leftovers import remove_leftovers
from sinkscope.report.site import SCRIPTS, STYLES, environment, script, shown_sections, style
from sinkscope.tables.read import StoredTables, read_table

# Bytes of a table that is copied, by its ending: a report travels. All are in results/tables.
MOST_BYTES = {"csv": 200_000, "parquet": 1_000_000}


def write_report(
    wanted: Wanted,
    results: Path,
    out: Path,
    origin: Origin,
    sections: Sequence[str] = (),
) -> None:
    """Write index.html, compared.html, run.html, SECTION.html, MODEL.html, reader.html, assets/ and
    data/ into the folder `out`.

    wanted: the requests of the run; their configuration is shown as provenance. results: the folder
    with tables/, figures/ and sections/. sections: names of the sections of experiments. Heat maps
    are in `out`/maps already. Files that earlier runs wrote for models and experiments that the
    configuration no longer has are removed.
    """
    tables = results / "tables"
    atlas_tables = StoredTables(tables, tables_of_atlas())
    numbers = read_table(tables / "findings.parquet")
    report = Report(wanted, atlas_tables, numbers, results, out, origin)
    in_order = every_section(wanted.grid.config.raw["experiments"])
    entries = {name: entry for name, entry in in_order.items() if name in sections}
    report.add_sections(entries, shown_sections(entries, results))
    if "claims" in sections:
        report.claims = read_table(tables / "claims.parquet")
    write_assets(out / "assets")
    of_sections = [table for entry in entries.values() for table in entry.section.tables]
    names = list(dict.fromkeys([*tables_of_atlas(), *of_sections, "findings"]))
    downloads = copy_tables(tables, out / "data", names)
    templates = environment()
    every_page = {
        "index": ("index", pages.index(report)),
        "compared": ("compared", pages.compared(report)),
        "reader": ("reader", pages.reader(report)),
        "run": ("run", pages.run(report, downloads)),
        **{
            name: ("claims" if name == "claims" else "section", pages.section(report, name))
            for name in pages_of(entries)
        },
        **{model: ("model", pages.model(report, model)) for model in report.models},
    }
    for name, (template, values) in every_page.items():
        page = templates.get_template(f"{template}.html.j2").render({"name": name} | values)
        write_text(out / f"{name}.html", page)
    remove_leftovers(out, results, wanted.grid, sections)


def write_assets(folder: Path) -> None:
    for name in STYLES:
        write_text(folder / name, style(name))
    for name in SCRIPTS:
        write_text(folder / name, script(name))


def copy_tables(tables: Path, folder: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    """Copy these tables; returns one entry per table: its name, number of rows and links. Large
    ones are copied as Parquet alone, very large ones not at all."""
    entries = []
    for name in names:
        links = {}
        for ending, most in MOST_BYTES.items():
            source = tables / f"{name}.{ending}"
            if source.is_file() and source.stat().st_size <= most:
                with written(folder / source.name) as temporary:
                    shutil.copyfile(source, temporary)
                links[ending] = f"{folder.name}/{source.name}"
            else:  # a copy of an earlier run, in which the table was smaller
                (folder / source.name).unlink(missing_ok=True)
        rows = pl.scan_parquet(tables / f"{name}.parquet").select(pl.len()).collect().item()
        entries.append({"name": name, "rows": rows, "links": links})
    return entries
