"""The values for the templates; pages depend on nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from sinkscope.atlas.sections import FRONT
from sinkscope.catalogue import ReportSection
from sinkscope.charts.figure import Tables
from sinkscope.charts.palette import SHARED, model_colours, share_colours
from sinkscope.charts.select import architectures
from sinkscope.charts.shown import ShownFigure, ShownSection, read_figures
from sinkscope.charts.theme import ALL_DOCUMENTS, ALL_MODELS
from sinkscope.claims import page as claims_page
from sinkscope.claims import summary as claims_summary
from sinkscope.documents import with_texts
from sinkscope.files import read_json
from sinkscope.jobs.wanted import Wanted
from sinkscope.report import about, findings, front, navigation, overview, provenance
from sinkscope.report.site import STYLES, map_data, scripts
from sinkscope.report.terms import Terms
from sinkscope.report.thumbnail import thumbnail
from sinkscope.report.verdicts import facts_of, verdict

# Rows of the tables of the page about the run, which opens as fast for a large run.
MOST_DOCUMENTS, MOST_JOBS = 200, 500


class Report:
    """A run, as its pages show it."""

    def __init__(
        self,
        wanted: Wanted,
        tables: Tables,
        numbers: pl.DataFrame,
        results: Path,
        out: Path,
        commit: str,
    ) -> None:
        self.grid, self.tables = wanted.grid, tables
        self.results, self.out = results, out
        self.directory = wanted.directory
        self.numbers = numbers  # the table `findings`
        self.commit = commit
        self.finished = provenance.manifests(wanted)
        stamps = [wanted.directory / wanted.extract(*key).stamp for key in self.finished]
        self.about = about.about(commit, stamps)
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

    def common(self) -> dict[str, Any]:
        return {
            "models": self.models,
            "groups": self.groups,
            "pages": navigation.pages(self.sections, self.groups),
            "inline": None,
            "styles": STYLES,
            "scripts": scripts(figures=True),
            "page": {},
            "has_reader": bool(self.maps),
            "readable": list(self.maps),
            "terms": Terms(),
            "lacks": self.lacks(),
            "about": self.about,
        }

    def lacks(self) -> dict[str, Any] | None:
        """What a partial or failed run lacks: shown on top of its pages; None for a whole run."""
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

    # ---- Pages ----

    def index(self) -> dict[str, Any]:
        opening = self.opening_picture()
        n_shown = self.grid.config.raw["documents_in_report"]
        in_full = self.grid.config.documents[: None if self.grid.detail == "full" else n_shown]
        texts = {entry.name: entry.text for entry in with_texts(in_full)}
        return self.common() | {
            "title": "Attention sinks",
            "scripts": scripts(),
            "n_documents": self.tables["documents"]["document"].n_unique(),
            "n_models": len(self.colours),
            "opening": opening,
            "reading": front.reading(opening, self.tables, texts, self.finished, self.directory),
            "experiments": [self.in_line(one) for one in self.sections if one.name != "claims"],
            "claims": next(
                (self.in_line(one) for one in self.sections if one.name == "claims"), None
            ),
            "commit": self.commit,
        }

    def opening_picture(self) -> front.Opening | None:
        if self.opening is None:
            return None
        return front.opening(self.opening, facts_of(self.numbers, self.opening.name))

    def in_line(self, section: ShownSection) -> dict[str, Any]:
        """An experiment on one line of the front page: what it found, and a small picture."""
        template = self.entries[section.name].section.verdict
        if section.name == "claims" and self.claims is not None:
            text = claims_summary.brief(self.claims)
        else:
            text = verdict(template, section.figures, self.numbers)
        folder = self.results / "sections" / section.name
        picture = thumbnail(folder / f"{section.figures[0].name}.png") if section.figures else None
        return {"name": section.name, "title": section.title, "verdict": text, "image": picture}

    def compared(self) -> dict[str, Any]:
        softmax = [name for name in self.models if self.kinds.get(name, "softmax") == "softmax"]
        n_cells = self.tables["documents"].height
        return self.common() | {
            "title": "Models side by side",
            "headline": findings.headline(self.numbers) if n_cells else "There is no result yet.",
            "summary": {model: self.summary(model) for model in self.models},
            "compared": softmax,
            "colour_note": SHARED if share_colours(self.colours) else "",
            "figures": read_figures(self.results / "figures" / "all"),
            "all_models": ALL_MODELS,
            "page": {"all_models": ALL_MODELS},
        }

    def run(self, downloads: list[dict[str, Any]]) -> dict[str, Any]:
        return self.common() | {
            "title": "Run, documents and downloads",
            "scripts": scripts(),
            "summary": {model: {"facts": self.facts(model)} for model in self.models},
            "n_cells": self.tables["documents"].height,
            "n_grid": self.n_grid(),
            "documents": self.documents(),
            "n_documents": len(self.grid.config.documents),
            "downloads": downloads,
            "missing": self.missing,
            "failed_experiments": self.failed_experiments,
            "jobs": provenance.jobs(self.finished)[:MOST_JOBS],
            "n_jobs": len(self.finished),
            "audit": provenance.audit(self.tables["models"]),
            "versions": provenance.versions(self.finished),
            "commit": self.commit,
            "config": self.grid.snapshot(),
            "epsilon": self.grid.config.raw["epsilon"],
            "window": self.grid.config.raw["window"],
        }

    def template(self, name: str) -> str:
        """The template of a section's page."""
        return "claims" if name == "claims" else "section"

    def section(self, name: str) -> dict[str, Any]:
        shown = next(section for section in self.sections if section.name == name)
        failed = [
            entry
            for entry in self.failed_experiments
            if entry["experiment"] == self.entries[name].experiment
        ]
        values = self.common() | {"title": shown.title, "section": shown, "failed": failed}
        if name == "claims":
            assert self.claims is not None
            return values | claims_page.page(self.claims, shown)
        return values | {"verdict": self.in_line(shown)["verdict"]}

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

    def model(self, model: str) -> dict[str, Any]:
        figures = read_figures(self.results / "figures" / model)
        index = self.maps.get(model, [])
        # Only documents with maps, if there are maps: every panel can show these.
        names = [entry["document"] for entry in index]
        return self.common() | {
            "title": model,
            "scripts": scripts(figures=True, maps=bool(index)),
            "page": {
                "model": model,
                "first_document": first_document(index),
                "all_documents": ALL_DOCUMENTS,
                "maps": map_data({model: index}, "maps"),
            },
            "model": model,
            "source": self.grid.config.model(model).source,
            "source_address": about.card_address(self.grid.config.model(model).source),
            "card": overview.card(self.grid.config.model(model).source),
            "facts": self.facts(model),
            "colour": self.colour(model),
            "opening": front.of_model(self.opening_picture(), model),
            "sentences": findings.of_model(figures),
            "figures": figures,
            "all_documents": ALL_DOCUMENTS,
            "documents": names or self.analysed(model),
            "maps": index,
            "missing": [entry for entry in self.missing if entry.model == model],
        }

    def documents_of(self, model: str) -> list[dict[str, Any]]:
        """The index of the model's maps; empty without maps."""
        path = self.out / "maps" / model / "index.json"
        return read_json(path) if path.is_file() else []

    def reader(self) -> dict[str, Any]:
        page = {"maps": map_data(self.maps, "maps"), "n_see": self.grid.config.raw["sink_queries"]}
        return self.common() | {"title": "Reader", "scripts": scripts(maps=True), "page": page}

    def analysed(self, model: str) -> list[str]:
        names = set(self.tables["documents"].filter(pl.col("model") == model)["document"])
        return [item.name for item in self.grid.config.documents if item.name in names]


def first_document(index: list[dict[str, Any]]) -> str | None:
    """The document that panels of a single document show first: the one of middle length.

    The shortest is too short to show a pattern, and the tokens of the longest are too small.
    """
    by_length = sorted(index, key=lambda entry: entry["n_tokens"])
    return by_length[len(by_length) // 2]["document"] if by_length else None
