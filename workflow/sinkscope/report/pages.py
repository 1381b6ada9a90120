"""The values for the templates; pages depend on nothing else."""

from collections.abc import Mapping
from typing import Any

from sinkscope.charts.palette import SHARED, share_colours
from sinkscope.charts.shown import read_figures
from sinkscope.charts.theme import ALL_DOCUMENTS, ALL_MODELS
from sinkscope.claims import page as claims_page
from sinkscope.documents import with_texts
from sinkscope.report import about, findings, front, navigation, overview, provenance
from sinkscope.report.content import Report
from sinkscope.report.site import STYLES, map_data, scripts
from sinkscope.report.terms import Terms

MOST_JOBS = 500  # rows of the table of jobs: a large run opens as fast


def common(report: Report) -> dict[str, Any]:
    return {
        "models": report.models,
        "groups": report.groups,
        "pages": navigation.pages(report.sections, report.groups),
        "inline": None,
        "styles": STYLES,
        "scripts": scripts(figures=True),
        "page": {},
        "has_reader": bool(report.maps),
        "readable": list(report.maps),
        "terms": Terms(),
        "lacks": report.lacks(),
        "about": report.about,
    }


def index(report: Report) -> dict[str, Any]:
    opening = report.opening_picture()
    n_shown = report.grid.config.raw["documents_in_report"]
    in_full = report.grid.config.documents[: None if report.grid.detail == "full" else n_shown]
    texts = {entry.name: entry.text for entry in with_texts(in_full)}
    return common(report) | {
        "title": "Attention sinks",
        "scripts": scripts(),
        "n_documents": report.tables["documents"]["document"].n_unique(),
        "n_models": len(report.colours),
        "opening": opening,
        "reading": front.reading(opening, report.tables, texts, report.finished, report.directory),
        "experiments": [report.in_line(one) for one in report.sections if one.name != "claims"],
        "claims": next(
            (report.in_line(one) for one in report.sections if one.name == "claims"), None
        ),
    }


def compared(report: Report) -> dict[str, Any]:
    softmax = [name for name in report.models if report.kinds.get(name, "softmax") == "softmax"]
    n_cells = report.tables["documents"].height
    return common(report) | {
        "title": "Models side by side",
        "headline": findings.headline(report.numbers) if n_cells else "No results yet.",
        "summary": {model: report.summary(model) for model in report.models},
        "compared": softmax,
        "colour_note": SHARED if share_colours(report.colours) else "",
        "figures": read_figures(report.results / "figures" / "all"),
        "all_models": ALL_MODELS,
        "page": {"all_models": ALL_MODELS},
    }


def run(report: Report, downloads: list[dict[str, Any]]) -> dict[str, Any]:
    return common(report) | {
        "title": "Run, documents and downloads",
        "scripts": scripts(),
        "summary": {model: {"facts": report.facts(model)} for model in report.models},
        "n_cells": report.tables["documents"].height,
        "n_grid": report.n_grid(),
        "documents": report.documents(),
        "n_documents": len(report.grid.config.documents),
        "downloads": downloads,
        "missing": report.missing,
        "failed_experiments": report.failed_experiments,
        "jobs": provenance.jobs(report.finished)[:MOST_JOBS],
        "n_jobs": len(report.finished),
        "audit": provenance.audit(report.tables["models"]),
        "versions": provenance.versions(report.finished),
        "config": report.grid.snapshot(),
        "epsilon": report.grid.config.raw["epsilon"],
        "window": report.grid.config.raw["window"],
    }


def section(report: Report, name: str) -> dict[str, Any]:
    shown = next(section for section in report.sections if section.name == name)
    failed = [
        entry
        for entry in report.failed_experiments
        if entry["experiment"] == report.entries[name].experiment
    ]
    values = common(report) | {"title": shown.title, "section": shown, "failed": failed}
    values["page"] = {"head_maps": head_maps(report.maps)}
    if name == "claims":
        assert report.claims is not None
        return values | claims_page.page(report.claims, shown)
    return values | {"verdict": report.in_line(shown)["verdict"]}


def model(report: Report, name: str) -> dict[str, Any]:
    figures = read_figures(report.results / "figures" / name)
    source = report.grid.config.model(name).source
    index = report.maps.get(name, [])
    # Only documents with maps, if there are maps: every panel can show these.
    documents = [entry["document"] for entry in index]
    return common(report) | {
        "title": name,
        "scripts": scripts(figures=True, maps=bool(index)),
        "page": {
            "model": name,
            "first_document": first_document(index),
            "all_documents": ALL_DOCUMENTS,
            "maps": map_data({name: index}, "maps"),
            "head_maps": head_maps({name: index}),
        },
        "model": name,
        "source": source,
        "source_address": about.card_address(source),
        "card": overview.card(source),
        "facts": report.facts(name),
        "colour": report.colour(name),
        "opening": front.of_model(report.opening_picture(), name),
        "sentences": findings.of_model(figures),
        "figures": figures,
        "all_documents": ALL_DOCUMENTS,
        "documents": documents or report.analysed(name),
        "maps": index,
        "missing": [entry for entry in report.missing if entry.model == name],
    }


def reader(report: Report) -> dict[str, Any]:
    page = {"maps": map_data(report.maps, "maps"), "n_see": report.grid.config.raw["sink_queries"]}
    return common(report) | {"title": "Reader", "scripts": scripts(maps=True), "page": page}


def head_maps(maps: Mapping[str, list[dict[str, Any]]]) -> dict[str, str]:
    """By model, the document whose maps of heads are shown first; none of a model without them."""
    with_heads = {
        model: [entry for entry in index if entry["every_head"] or entry["heads"]]
        for model, index in maps.items()
    }
    shown = {model: first_document(index) for model, index in with_heads.items()}
    return {model: document for model, document in shown.items() if document}


def first_document(index: list[dict[str, Any]]) -> str | None:
    """The document that panels of a single document show first: the one of middle length.

    The shortest is too short to show a pattern, and the tokens of the longest are too small.
    """
    by_length = sorted(index, key=lambda entry: entry["n_tokens"])
    return by_length[len(by_length) // 2]["document"] if by_length else None
