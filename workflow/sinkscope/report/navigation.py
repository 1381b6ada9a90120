"""The pages of a report, as every page lists them."""

from collections.abc import Sequence
from dataclasses import dataclass

from sinkscope.charts.shown import ShownSection
from sinkscope.report.overview import Group


@dataclass(frozen=True)
class Link:
    """A page: its name without .html, and its title."""

    name: str
    title: str


@dataclass(frozen=True)
class Pages:
    """The pages of a report, in groups of links."""

    title: str
    links: tuple[Link, ...]


def pages(sections: Sequence[ShownSection], groups: Sequence[Group]) -> list[Pages]:
    """All pages: the overview, the models side by side and the run; the sections; the models."""
    return [
        Pages(
            "Report",
            (
                Link("index", "Overview"),
                Link("compared", "Models side by side"),
                Link("reader", "Read a text by its attention"),
                Link("run", "Run, documents and downloads"),
            ),
        ),
        Pages("Experiments", tuple(Link(one.name, one.title) for one in sections)),
        *(Pages(group.title, tuple(Link(name, name) for name in group.models)) for group in groups),
    ]
