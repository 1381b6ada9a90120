"""Figures as pages show them: read from the folder that write_all wrote."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sinkscope.charts.palette import HEAT_STOPS
from sinkscope.errors import DamagedError
from sinkscope.files import read_json


@dataclass(frozen=True)
class ShownFigure:
    """A figure on a page, which draws it and offers it as files. spec: with its data.
    table: shown in place of the drawn chart, headings first."""

    name: str
    title: str
    finding: str
    caption: str
    spec: dict[str, Any]
    table: list[list[str]] | None = None

    @property
    def is_heat(self) -> bool:
        """Whether it has the colours of heat maps, which dark pages invert."""
        return HEAT_STOPS[0] in json.dumps(self.spec)


@dataclass(frozen=True)
class ShownSection:
    """The section of an experiment. name: that of its page, without .html."""

    name: str
    title: str
    intro: str
    figures: list[ShownFigure]


def read_figures(folder: Path) -> list[ShownFigure]:
    """Figures that charts.write wrote into `folder`; none if it did not run."""
    if not (folder / "figures.json").is_file():
        return []
    try:
        listed = [
            {key: value for key, value in entry.items() if key != "facts"}
            for entry in read_json(folder / "figures.json")
        ]
        specs = {one["name"]: read_json(folder / f"{one['name']}.json") for one in listed}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedError(folder / "figures.json", "is not what its job wrote") from error
    return [ShownFigure(**entry, spec=specs[entry["name"]]) for entry in listed]
