"""The report: an index, a page per model, and the data that they offer for download."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from sinkscope.atlas.tables import tables_of_atlas
from sinkscope.catalogue import sections as every_section
from sinkscope.charts.palette import model_colour
from sinkscope.charts.select import model_names
from sinkscope.charts.shown import ShownSection, address, read_figures
from sinkscope.charts.theme import ALL_DOCUMENTS, ALL_MODELS
from sinkscope.claims import page as claims
from sinkscope.claims import summary as claims_summary
from sinkscope.files import read_json, write_text, written
from sinkscope.jobs.wanted import Wanted
from sinkscope.report import findings, overview, provenance
from sinkscope.report.leftovers import remove_leftovers
from sinkscope.report.site import (
    SCRIPTS,
    STYLES,
    environment,
    map_data,
    script,
    shown_sections,
    style,
)
from sinkscope.tables.read import read_table, read_tables


def write_report(
    wanted: Wanted,
    tables: Path,
    out: Path,
    commit: str,
    sections: Sequence[str] = (),
) -> None:
    """Write index.html, MODEL.html, claims.html, assets/ and data/ into the folder `out`.

    wanted: the requests of the run; their configuration is shown as provenance. sections: names of
    the sections of experiments. The figures and maps that the pages show are in `out` already, in
    figures/, maps/ and sections/. Files that earlier reports wrote for models and experiments that
    the configuration no longer has are removed.
    """
    atlas_tables = read_tables(tables, tables_of_atlas())
    report = Report(wanted, atlas_tables, read_table(tables / "findings.parquet"), out, commit)
    in_order = every_section(wanted.grid.config.raw["experiments"])
    entries = {name: entry for name, entry in in_order.items() if name in sections}
    report.sections = shown_sections(entries, out)
    if "claims" in sections:
        report.claims = read_table(tables / "claims.parquet")
    write_assets(out / "assets")
    of_sections = [table for entry in entries.values() for table in entry.section.tables]
    names = list(dict.fromkeys([*tables_of_atlas(), *of_sections, "findings"]))
    downloads = copy_tables(tables, out / "data", names)
    templates = environment()
    index = templates.get_template("index.html.j2").render(report.index(downloads))
    write_text(out / "index.html", index)
    if report.claims is not None:
        page = templates.get_template("claims.html.j2").render(report.claims_page())
        write_text(out / "claims.html", page)
    for model in report.models:
        page = templates.get_template("model.html.j2").render(report.model(model))
        write_text(out / f"{model}.html", page)
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


class Report:
    """The values for the templates; pages depend on nothing else."""

    def __init__(
        self,
        wanted: Wanted,
        tables: dict[str, pl.DataFrame],
        numbers: pl.DataFrame,
        out: Path,
        commit: str,
    ) -> None:
        self.grid, self.tables, self.out = wanted.grid, tables, out
        self.numbers = numbers  # the table `findings`
        self.commit = commit
        self.finished = provenance.manifests(wanted)
        self.missing = provenance.missing(wanted)
        self.failed_experiments = provenance.failed_experiments(wanted)
        self.models = list(wanted.grid.cells)  # with or without results
        self.names = model_names(tables)  # models with results, which have colours
        self.kinds = overview.attention_kinds(tables)
        self.sections: list[ShownSection] = []
        self.claims: pl.DataFrame | None = None

    def common(self) -> dict[str, Any]:
        groups = overview.groups(self.grid.config.models, self.kinds)
        return {"models": self.models, "groups": groups, "inline": None, "styles": STYLES}

    def colour(self, model: str) -> str:
        return model_colour(self.names, model) if model in self.names else "#8a8f98"

    def facts(self, model: str) -> dict[str, Any] | None:
        """The model's row of the table `models`, with the numbers of its documents and tokens."""
        rows = self.tables["models"].filter(pl.col("model") == model)
        if rows.is_empty():
            return None
        documents = self.tables["documents"].filter(pl.col("model") == model)
        sizes = {"n_documents": documents.height, "n_tokens": documents["n_tokens"].sum()}
        return rows.row(0, named=True) | sizes

    def index(self, downloads: list[dict[str, Any]]) -> dict[str, Any]:
        softmax = [name for name in self.models if self.kinds.get(name, "softmax") == "softmax"]
        n_cells = self.tables["documents"].height
        return self.common() | {
            "title": "Attention sinks",
            "scripts": SCRIPTS[:2],
            "page": {},
            "headline": findings.headline(self.numbers) if n_cells else "There is no result yet.",
            "summary": {model: self.summary(model) for model in self.models},
            "compared": softmax,
            "sections": [section for section in self.sections if section.page is None],
            "claims": None if self.claims is None else claims_summary.sentence(self.claims),
            "figures": read_figures(self.out / "figures" / "all", self.out),
            "all_models": ALL_MODELS,
            "n_cells": n_cells,
            "n_grid": len(self.models) * (len(self.grid.config.documents) + len(self.grid.refused)),
            "documents": self.documents(),
            "downloads": downloads,
            "missing": self.missing,
            "failed_experiments": self.failed_experiments,
            "jobs": provenance.jobs(self.finished),
            "versions": provenance.versions(self.finished),
            "commit": self.commit,
            "config": self.grid.snapshot(),
            "epsilon": self.grid.config.raw["epsilon"],
            "window": self.grid.config.raw["window"],
        }

    def claims_page(self) -> dict[str, Any]:
        assert self.claims is not None
        section = next(section for section in self.sections if section.name == "claims")
        shared = self.common() | {"scripts": SCRIPTS[:2]}
        return shared | claims.page(self.claims, section)

    def summary(self, model: str) -> dict[str, Any]:
        facts = self.facts(model)
        return {
            "facts": facts,
            "colour": self.colour(model),
            "highlights": findings.highlights(self.numbers, model) if facts else None,
        }

    def documents(self) -> list[dict[str, Any]]:
        """Documents of the grid, in order, with their number of tokens per model."""
        counts = {
            (row["document"], row["model"]): row
            for row in self.tables["documents"].iter_rows(named=True)
        }
        return [
            {
                "document": document,
                "n_words": len(document.text.split()),
                "tokens": [counts.get((document.name, model)) for model in self.models],
            }
            for document in self.grid.config.documents
        ]

    def model(self, model: str) -> dict[str, Any]:
        figures = read_figures(self.out / "figures" / model, self.out)
        maps = self.out / "maps" / model
        index = read_json(maps / "index.json") if (maps / "index.json").is_file() else []
        # Only documents with maps, if there are maps: every panel can show these.
        names = [entry["document"] for entry in index]
        return self.common() | {
            "title": model,
            "scripts": SCRIPTS if index else SCRIPTS[:2],
            "page": {
                "model": model,
                "first_document": first_document(index),
                "maps": map_data(index, address(maps, self.out)),
            },
            "model": model,
            "source": self.grid.config.model(model).source,
            "card": overview.card(self.grid.config.model(model).source),
            "facts": self.facts(model),
            "colour": self.colour(model),
            "sentences": findings.of_model(figures),
            "figures": figures,
            "all_documents": ALL_DOCUMENTS,
            "documents": names or self.analysed(model),
            "maps": index,
            "missing": [entry for entry in self.missing if entry.model == model],
        }

    def analysed(self, model: str) -> list[str]:
        names = self.tables["documents"].filter(pl.col("model") == model)["document"].to_list()
        return [item.name for item in self.grid.config.documents if item.name in names]


def first_document(index: list[dict[str, Any]]) -> str | None:
    """The document that panels of a single document show first: the one of middle length.

    The shortest is too short to show a pattern, and the tokens of the longest are too small.
    """
    by_length = sorted(index, key=lambda entry: entry["n_tokens"])
    return by_length[len(by_length) // 2]["document"] if by_length else None
