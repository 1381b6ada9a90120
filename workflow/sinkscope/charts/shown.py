"""Figures as pages show them: read from the folder that write_all wrote."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sinkscope.charts.palette import HEAT_STOPS
from sinkscope.errors import DamagedError
from sinkscope.files import read_json

KINDS = {"CSV": "csv", "SVG": "svg", "PNG": "png", "Vega-Lite": "json"}


@dataclass(frozen=True)
class ShownFigure:
    """A figure on a page. links: kind of download to address; image: address of its SVG."""

    name: str
    title: str
    finding: str
    caption: str
    spec: dict[str, Any]
    links: dict[str, str]
    image: str

    @property
    def is_heat(self) -> bool:
        """Whether it has the colours of heat maps, which dark pages turn round."""
        return HEAT_STOPS[0] in json.dumps(self.spec)


@dataclass(frozen=True)
class ShownSection:
    """The section of an experiment. name: that of its page, without .html."""

    name: str
    title: str
    intro: str
    figures: list[ShownFigure]


def address(path: Path, base: Path) -> str:
    """Relative URL of a file from the folder of a page."""
    return quote(Path(os.path.relpath(path, base)).as_posix())


def read_figures(folder: Path, base: Path) -> list[ShownFigure]:
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
    return [
        ShownFigure(
            **entry,
            spec=specs[entry["name"]],
            links={
                kind: address(folder / f"{entry['name']}.{ending}", base)
                for kind, ending in KINDS.items()
            },
            image=address(folder / f"{entry['name']}.svg", base),
        )
        for entry in listed
    ]
