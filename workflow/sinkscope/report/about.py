"""How to cite a report: version, commit, and the day of its run."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sinkscope.version import installed

# Public pages of a model, by the kind of its source.
CARDS = {"hub": "https://huggingface.co/{}", "package": "https://pypi.org/project/{}/"}


@dataclass(frozen=True)
class Origin:
    """The code that wrote a report: its commit, and the web page of its repository, if known."""

    commit: str
    repository: str | None = None


@dataclass(frozen=True)
class About:
    """date: the day (UTC) on which the last extraction job finished; None without one."""

    origin: Origin
    date: str | None
    version: str | None = None

    def bibtex(self) -> str:
        """The BibTeX entry of the report, from which pages derive those of figures."""
        year = self.date[:4] if self.date else "n.d."
        of_run = f", run of {self.date}" if self.date else ""
        version = f" {self.version}" if self.version else ""
        url = f"    url = {{{self.origin.repository}}},\n" if self.origin.repository else ""
        return (
            "@misc{sinkscope-report,\n"
            "    title = {Where the attention of transformers lands: a Sinkscope report},\n"
            f"    year = {{{year}}},\n"
            f"    note = {{Sinkscope{version}, commit {self.origin.commit}{of_run}}},\n"
            f"{url}"
            "}\n"
        )


def about(origin: Origin, stamps: Iterable[Path]) -> About:
    """stamps: of the finished extraction jobs."""
    times = [path.stat().st_mtime for path in stamps if path.is_file()]
    date = datetime.fromtimestamp(max(times), UTC).date().isoformat() if times else None
    return About(origin, date, installed("sinkscope"))


def card_address(source: str) -> str | None:
    """Public page of the model of a source, such as hub:OWNER/NAME@REVISION; None for others."""
    kind, _, name = source.partition(":")
    return CARDS[kind].format(name.partition("@")[0]) if kind in CARDS else None
