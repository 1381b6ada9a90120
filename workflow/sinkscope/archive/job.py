"""Write the archive of a run: check it, collect its files, describe them, and zip all."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sinkscope import words
from sinkscope.archive.bundle import write_zip
from sinkscope.archive.citation import Citation, read_citation
from sinkscope.archive.contents import FOLDERS, LOCK, Contents, Item, contents_of, written_item
from sinkscope.archive.crate import PROFILE, Described, metadata_of
from sinkscope.archive.progress import bar
from sinkscope.archive.record import Record, record_of
from sinkscope.errors import SinkscopeError
from sinkscope.jobs.check import problems_of, wanted_of
from sinkscope.jobs.stamps import files_of, stamps
from sinkscope.jobs.wanted import Wanted
from sinkscope.printable import printable


def write_archive(directory: Path, config: Path, out: Path) -> str:
    """Write the run in `directory` as the zip `out`; returns what was written, in a sentence.

    Raises SinkscopeError for a run that is not finished or does not pass `sinkscope check`, and
    without a citation.
    """
    wanted = wanted_of(config, directory)
    citation = read_citation(directory)
    check(wanted)
    contents, record = contents_of(wanted), record_of(wanted)
    described = describe(wanted, citation, contents, record)
    items = [*contents.all(), *described]
    with bar("Writing", sum(item.n_bytes for item in items)) as advance:
        write_zip(out, items, FOLDERS, advance)
    texts = words.counted(len(wanted.grid.config.documents), "document")
    return printable(
        f"{out}: {len(items):,} files, {out.stat().st_size / 1e6:,.1f} MB, with the texts of "
        f"{texts}; publish it only if you may publish these."
    )


def check(wanted: Wanted) -> None:
    """Raises SinkscopeError for a run that is damaged, stale or not finished."""
    directory = wanted.directory
    names = {name for stamp in stamps(directory) for name in files_of(stamp)}
    sizes = (path.stat().st_size for name in names if (path := directory / name).is_file())
    with bar("Checking", sum(sizes)) as advance:
        problems = [one for one in problems_of(wanted, advance) if one.kind in ("damaged", "stale")]
    if problems:
        first = problems[0]
        more = f" (and {len(problems) - 1:,} more)" if problems[1:] else ""
        raise SinkscopeError(
            f"{directory / first.path}: {first.reason}{more}; `sinkscope check` in the run's "
            "folder lists all; run `sinkscope check --repair` and snakemake to compute them "
            "again."
        )
    jobs = wanted.all()
    if unfinished := [request.job for request in jobs if not wanted.is_made(request)]:
        raise SinkscopeError(
            f"{directory}: the run is not finished, {len(unfinished):,} of {len(jobs):,} jobs have "
            f"no result ({', '.join(unfinished[:3])}{', ...' if unfinished[3:] else ''}); run "
            "snakemake."
        )


def describe(wanted: Wanted, citation: Citation, contents: Contents, record: Record) -> list[Item]:
    """README.md, versions.txt and the metadata of the crate."""
    n_documents = len(wanted.grid.config.documents)
    models = words.counted(len(record.models), "model")
    day = record.ended[:10]
    description = (
        f"Report, tables and configuration of a run of Sinkscope: {models} over "
        f"{words.counted(n_documents, 'document')}, finished on {day}. {citation.abstract}"
    ).strip()
    name = f"{citation.title} (run of {day})"
    pins = "".join(f"{package}=={version}\n" for package, version in record.installed.items())
    readme = written_item(
        "README.md",
        rendered(
            name=name,
            description=description,
            version=record.installed.get("sinkscope", "unknown"),
            commit=record.commit,
            has_lock=any(item.name == LOCK for item in contents.configuration),
            profile=PROFILE,
            n_documents=n_documents,
            models=record.models,
            authors=[author.name for author in citation.authors],
            year=day[:4],
            licences=citation.licences,
            doi=citation.doi,
        ),
    )
    versions = written_item("versions.txt", pins)
    described = Described(name, description, citation, record, contents, readme, versions)
    return [readme, versions, written_item("ro-crate-metadata.json", metadata_of(described))]


def rendered(**values: Any) -> str:
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    templates.filters |= {"listed": words.listed, "counted": words.counted}
    return templates.get_template("readme.md.j2").render(values)
