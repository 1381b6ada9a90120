"""A run, as the pages of its report show it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from sinkscope.atlas.sections import FRONT
from sinkscope.catalogue import ReportSection
from sinkscope.charts.figure import Tables
from sinkscope.charts.palette import model_colours
from sinkscope.charts.select import architectures
from sinkscope.charts.shown import ShownFigure, ShownSection
from sinkscope.claims import summary as claims_summary
from sinkscope.files import read_json
from sinkscope.jobs.wanted import Wanted
from sinkscope.report import about, findings, front, overview, provenance
from sinkscope.report.thumbnail import thumbnail
from sinkscope.report.verdicts import facts_of, verdict

MOST_DOCUMENTS = 200  # rows of the table of documents: a large run opens as fast


class Report:
    """The content of the pages: the run, its tables and figures, and missing results."""

    def __init__(
        self,
        wanted: Wanted,
        tables: Tables,
        numbers: pl.DataFrame,
        results: Path,
        out: Path,
        origin: about.Origin,
    ) -> None:
        self.grid, self.tables = wanted.grid, tables
        self.results, self.out = results, out
        self.directory = wanted.directory
        self.numbers = numbers  # the table `findings`
        self.finished = provenance.manifests(wanted)
        stamps = [wanted.directory / wanted.extract(*key).stamp for key in self.finished]
        self.about = about.about(origin, stamps)
        self.missing = provenance.missing(wanted)
        self.failed_experiments = provenance.failed_experiments(wanted)
        self.models = list(wanted.grid.cells)  # with or without results
        self.colours = model_colours(architectures(tables))  # of the models with results
        self.kinds = overview.attention_kinds(tables)
        self.maps = {model: index for model in self.models if (index := self.documents_of(model))}
        self.groups = overview.groups(self.grid.config.models, self.kinds)
        self.entries: Mapping[str, ReportSection] = {}
        self.sections: list[ShownSection] = []  # without that of the front page
        self.opening: ShownFigure | None = None
        self.claims: pl.DataFrame | None = None

    def add_sections(
        self, entries: Mapping[str, ReportSection], shown: Sequence[ShownSection]
    ) -> None:
        self.entries = entries
        self.sections = [section for section in shown if section.name != FRONT]
        of_front = [figure for one in shown if one.name == FRONT for figure in one.figures]
        self.opening = of_front[0] if of_front else None

    def lacks(self) -> dict[str, Any] | None:
        """Missing results, shown on top of the pages; None for a complete run."""
        if not self.missing and not self.failed_experiments:
            return None
        return {
            "cells": self.missing,
            "n_cells": self.n_grid() - self.tables["documents"].height,
            "n_grid": self.n_grid(),
            "experiments": self.failed_experiments,
        }

    def n_grid(self) -> int:
        """Cells of the whole grid, also of documents that cannot be read."""
        return len(self.models) * (len(self.grid.config.documents) + len(self.grid.refused))

    def colour(self, model: str) -> str:
        return self.colours.get(model, "#8a8f98")

    def facts(self, model: str) -> dict[str, Any] | None:
        """The model's row of the table `models`, with the numbers of its documents and tokens."""
        rows = self.tables["models"].filter(pl.col("model") == model)
        if rows.is_empty():
            return None
        documents = self.tables["documents"].filter(pl.col("model") == model)
        sizes = {"n_documents": documents.height, "n_tokens": documents["n_tokens"].sum()}
        return rows.row(0, named=True) | sizes

    def opening_picture(self) -> front.Opening | None:
        if self.opening is None:
            return None
        return front.opening(self.opening, facts_of(self.numbers, self.opening.name))

    def in_line(self, section: ShownSection) -> dict[str, Any]:
        """An experiment on one line of the front page: its finding and a small picture."""
        template = self.entries[section.name].section.verdict
        if section.name == "claims" and self.claims is not None:
            text = claims_summary.brief(self.claims)
        else:
            text = verdict(template, section.figures, self.numbers)
        folder = self.results / "sections" / section.name
        picture = thumbnail(folder / f"{section.figures[0].name}.png") if section.figures else None
        return {"name": section.name, "title": section.title, "verdict": text, "image": picture}

    def summary(self, model: str) -> dict[str, Any]:
        facts = self.facts(model)
        return {
            "facts": facts,
            "colour": self.colour(model),
            "highlights": findings.highlights(self.numbers, model) if facts else None,
        }

    def documents(self) -> list[dict[str, Any]]:
        """The first documents of the grid, in order, with their number of tokens per model."""
        listed = self.grid.config.documents[:MOST_DOCUMENTS]
        names = [document.name for document in listed]
        rows = self.tables["documents"].filter(pl.col("document").is_in(names))
        counts = {(row["document"], row["model"]): row for row in rows.iter_rows(named=True)}
        return [
            {
                "document": document,
                "n_words": document.n_words,
                "tokens": [counts.get((document.name, model)) for model in self.models],
            }
            for document in listed
        ]

    def documents_of(self, model: str) -> list[dict[str, Any]]:
        """The index of the model's maps; empty without maps."""
        path = self.out / "maps" / model / "index.json"
        return read_json(path) if path.is_file() else []

    def analysed(self, model: str) -> list[str]:
        names = set(self.tables["documents"].filter(pl.col("model") == model)["document"])
        return [item.name for item in self.grid.config.documents if item.name in names]
