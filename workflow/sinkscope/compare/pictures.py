"""The figures of two runs side by side, those whose data or sentence differ."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sinkscope.files import read_json

MOST = 20  # figures on the page: each has two pictures of about 0.2 MB
KINDS = ("figures/all", "sections/*", "figures/*")  # those that compare models first


@dataclass(frozen=True)
class Drawn:
    """A figure of one run. words: title and finding, as the report has them."""

    words: dict[str, Any]
    path: Path  # without the ending

    @property
    def data(self) -> bytes:
        path = self.path.with_name(f"{self.path.name}.csv")
        return path.read_bytes() if path.is_file() else b""

    @property
    def picture(self) -> str | None:
        """The picture as a data address, which runs no scripts."""
        path = self.path.with_name(f"{self.path.name}.svg")
        if not path.is_file():
            return None
        return f"data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


@dataclass(frozen=True)
class Pair:
    """A figure of two runs. name: `folder/figure`; a, b: None in a run without it."""

    name: str
    a: Drawn | None
    b: Drawn | None

    @property
    def differs(self) -> bool:
        if self.a is None or self.b is None:
            return True
        return self.a.words["finding"] != self.b.words["finding"] or self.a.data != self.b.data

    @property
    def title(self) -> str:
        drawn = self.a or self.b
        assert drawn is not None
        return str(drawn.words["title"])


def drawn_in(results: Path) -> dict[str, Drawn]:
    """The figures of a results folder, by `folder/figure`."""
    return {
        f"{file.parent.name}/{words['name']}": Drawn(words, file.parent / words["name"])
        for kind in KINDS
        for file in sorted(results.glob(f"{kind}/figures.json"))
        for words in read_json(file)
    }


def pairs(a: Path, b: Path) -> Iterator[Pair]:
    """The figures of two results folders that differ."""
    of_a, of_b = drawn_in(a), drawn_in(b)
    for name in dict.fromkeys([*of_a, *of_b]):
        pair = Pair(name, of_a.get(name), of_b.get(name))
        if pair.differs:
            yield pair
