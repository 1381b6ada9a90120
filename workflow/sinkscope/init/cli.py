"""The command `sinkscope init`: write a project from the files in `project/`, and from files that
every clone has too."""

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from sinkscope.errors import SinkscopeError
from sinkscope.files import check_braces
from sinkscope.shipped import SHIPPED

app = typer.Typer()

TEMPLATES = Path(__file__).parent / "project"

# Files of the project, and the source of each. Files that a clone has are copied from it, so that a
# project starts with all settings and their current defaults.
FILES = {
    "README.md": TEMPLATES / "README.md",
    "Snakefile": TEMPLATES / "Snakefile",
    ".gitignore": TEMPLATES / "gitignore",  # under the name .gitignore, git would apply it here
    "config/config.yaml": SHIPPED / "config/config.yaml",
    "config/README.md": SHIPPED / "config/README.md",
    "config/models.tsv": TEMPLATES / "config/models.tsv",
    "config/documents.tsv": TEMPLATES / "config/documents.tsv",
    "texts/lighthouse.txt": TEMPLATES / "texts/lighthouse.txt",
    "texts/bread.txt": TEMPLATES / "texts/bread.txt",
    "profiles/default/profile.yaml": SHIPPED / "workflow/profiles/default/profile.yaml",
    "profiles/slurm/profile.yaml": SHIPPED / "workflow/profiles/slurm/profile.yaml",
}


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="The project's folder; created if needed.")],
) -> None:
    """Write a new project: configuration, two models, two documents, a Snakefile."""
    for path in write_project(folder):
        typer.echo(path)
    typer.echo(
        f"\nNext: cd {shlex.quote(str(folder))}, then `snakemake --dry-run` and `snakemake`."
    )


def write_project(folder: Path) -> list[Path]:
    """Write the project's files; returns their paths. Raises SinkscopeError, before anything is
    written, if a file exists already or the folder cannot hold a project."""
    check_braces(str(folder.absolute()), "init")
    for name in FILES:
        check_free(folder / name)
    for name, source in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as stream:  # fails where another process was faster
            stream.write(source.read_bytes())
    return [folder / name for name in FILES]


def check_free(path: Path) -> None:
    """Refuse to overwrite `path`, even if it is a broken link, and to write below a file."""
    if os.path.lexists(path):
        raise SinkscopeError(
            f"init: {path} exists and is not overwritten; name another folder, or move it away."
        )
    for parent in path.parents:
        if os.path.lexists(parent) and not parent.is_dir():
            raise SinkscopeError(f"init: {parent} is not a folder; name another one.")
