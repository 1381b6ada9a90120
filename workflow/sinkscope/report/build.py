"""The report: its pages, and the data that they offer for download."""

from __future__ import annotations

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
from sinkscope.report.leftovers import remove_leftovers
from sinkscope.report.pages import Report
from sinkscope.report.site import SCRIPTS, STYLES, environment, script, shown_sections, style
from sinkscope.tables.read import read_table, read_tables


def write_report(
    wanted: Wanted,
    tables: Path,
    out: Path,
    commit: str,
    sections: Sequence[str] = (),
) -> None:
    """Write index.html, compared.html, run.html, SECTION.html, MODEL.html, assets/ and data/ into
    the folder `out`.

    wanted: the requests of the run; their configuration is shown as provenance. sections: names of
    the sections of experiments. The figures and maps that the pages show are in `out` already, in
    figures/, maps/ and sections/. Files that earlier reports wrote for models and experiments that
    the configuration no longer has are removed.
    """
    atlas_tables = read_tables(tables, tables_of_atlas())
    report = Report(wanted, atlas_tables, read_table(tables / "findings.parquet"), out, commit)
    in_order = every_section(wanted.grid.config.raw["experiments"])
    entries = {name: entry for name, entry in in_order.items() if name in sections}
    report.add_sections(entries, shown_sections(entries, out))
    if "claims" in sections:
        report.claims = read_table(tables / "claims.parquet")
    write_assets(out / "assets")
    of_sections = [table for entry in entries.values() for table in entry.section.tables]
    names = list(dict.fromkeys([*tables_of_atlas(), *of_sections, "findings"]))
    downloads = copy_tables(tables, out / "data", names)
    templates = environment()
    pages = {
        "index": ("index", report.index()),
        "compared": ("compared", report.compared()),
        "run": ("run", report.run(downloads)),
        **{name: (report.template(name), report.section(name)) for name in pages_of(entries)},
        **{model: ("model", report.model(model)) for model in report.models},
    }
    for name, (template, values) in pages.items():
        page = templates.get_template(f"{template}.html.j2").render({"name": name} | values)
        write_text(out / f"{name}.html", page)
    remove_leftovers(out, wanted.grid, sections)


def write_assets(folder: Path) -> None:
    for name in STYLES:
        write_text(folder / name, style(name))
    for name in SCRIPTS:
        write_text(folder / name, script(name))


def copy_tables(tables: Path, folder: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    """Copy these tables; returns one entry per table: its name, number of rows and links."""
    entries = []
    for name in names:
        links = {}
        for ending in ("csv", "parquet"):
            source = tables / f"{name}.{ending}"
            if source.is_file():
                with written(folder / source.name) as temporary:
                    shutil.copyfile(source, temporary)
                links[ending] = f"{folder.name}/{source.name}"
        rows = pl.scan_parquet(tables / f"{name}.parquet").select(pl.len()).collect().item()
        entries.append({"name": name, "rows": rows, "links": links})
    return entries
