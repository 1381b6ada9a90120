"""Removal of files of earlier reports, for models and experiments no longer in the configuration.

Only files that Sinkscope writes are removed: files that the index of a folder lists, and pages that
contain their own name. Links and all other files in the folder of the report stay.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from sinkscope.atlas.tables import tables_of_atlas
from sinkscope.catalogue import OWN_PAGES, sections
from sinkscope.declarations.registry import experiments
from sinkscope.files import read_json
from sinkscope.grid import Grid
from sinkscope.jobs.request import stamps_of

ENDINGS = ("json", "svg", "png", "csv")  # of a figure


def remove_leftovers(out: Path, results: Path, grid: Grid, shown: Sequence[str]) -> list[Path]:
    """Remove the files in `out`, and the figures in `results`, that no report of the whole grid
    has; returns the removed paths.

    shown: sections of the report that was just written.

    Files of a model of the grid without results, or of an unfinished experiment, are kept: a
    partial report leaves them to the full one.
    """
    models = {row.model for row in grid.config.models}
    current = sections_of_grid(grid) | set(shown)
    files = [
        *pages(out, {*models, *OWN_PAGES, *current}),
        *(file for folder in others(out / "maps", models) for file in maps(folder)),
        *(
            file
            for folder in (
                *others(results / "figures", {"all", *models}),
                *others(results / "sections", current),
            )
            for file in figures(folder)
        ),
        *tables(out / "data", current),
    ]
    existing = [file for file in files if file.is_file() and not file.is_symlink()]
    for file in existing:
        file.unlink()
    for folder in sorted({up for file in existing for up in file.parents[:3]}, reverse=True):
        if out in folder.parents or results in folder.parents:
            with suppress(OSError):  # the folder is not empty
                folder.rmdir()
    return existing


def sections_of_grid(grid: Grid) -> set[str]:
    """Sections that a report of the whole grid shows."""
    names = grid.config.raw["experiments"]
    if not any(row.source.startswith("zoo:") for row in grid.config.models):
        names = [name for name in names if name == "claims" or not experiments()[name].records]
    return set(sections(names))


def others(folder: Path, current: set[str]) -> list[Path]:
    """Subfolders of `folder` whose names are not in `current`."""
    subfolders = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in subfolders if path.name not in current and not path.is_symlink()]


def pages(out: Path, current: set[str]) -> Iterator[Path]:
    """Pages of other models and sections. A copy with another name stays."""
    for path in sorted(out.glob("*.html")):
        if path.stem in current:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        is_page = " · Sinkscope</title>" in text and 'href="assets/report.css"' in text
        if is_page and f'data-opens="{path.name}"' in text:
            yield path


def figures(folder: Path) -> Iterator[Path]:
    """Files that charts.write wrote into a folder."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        names = [entry["name"] for entry in read_json(folder / "figures.json")]
        yield from (
            folder / f"{name}.{end}" for name in names for end in ENDINGS if "/" not in name
        )
        yield from (folder / "figures.json", folder / "drawn.json", *stamps_of(folder / "made"))


def maps(folder: Path) -> Iterator[Path]:
    """Files that atlas.maps wrote into a folder."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        for entry in read_json(folder / "index.json"):
            name = f"{Path(entry['document']).name}.js"
            yield from (folder / name, folder / "heads" / name)
        yield from (folder / "index.json", *stamps_of(folder / "made"))


def tables(data: Path, shown: set[str]) -> Iterator[Path]:
    """Copies of the tables of sections that are not shown."""
    of_section = {name: entry.section.tables for name, entry in sections().items()}
    current = {*tables_of_atlas(), *(table for name in shown for table in of_section[name])}
    known = {table for tables in of_section.values() for table in tables}
    yield from (data / f"{name}.{end}" for name in known - current for end in ("csv", "parquet"))
