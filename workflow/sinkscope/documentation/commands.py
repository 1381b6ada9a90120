"""The page docs/reference/commands.md: every command and option, from the parser itself."""

from collections.abc import Iterator
from typing import Any

from typer import Context, Typer
from typer.main import get_command

from sinkscope.options import JOBS
from sinkscope.reference.markdown import escaped, table

INTRODUCTION = """\
# Commands

What `sinkscope COMMAND --help` prints, written to this page by `make reference`. A problem that you
can solve is printed as one sentence, and the exit status is then 1. `sinkscope
--install-completion` adds completion of commands and options to your shell.
"""
OF_JOBS = """\
## Jobs of the workflow

Snakemake calls these commands. Run `snakemake` instead of calling them yourself: the rules pass
`--log`, `--stamp` and `--request` to each job.
"""


def page(app: Typer) -> str:
    """The text of docs/reference/commands.md."""
    group: Any = get_command(app)
    context = Context(group, info_name="sinkscope")
    commands = {name: group.get_command(context, name) for name in group.list_commands(context)}
    jobs = [name for name, one in commands.items() if one.rich_help_panel == JOBS]
    parts = [INTRODUCTION]
    for name, command in commands.items():
        if name not in jobs:
            parts += _described(command, context, f"sinkscope {name}", 2)
    rows = [(f"`{name}`", escaped(commands[name].get_short_help_str(1000))) for name in jobs]
    return "\n".join([*parts, OF_JOBS, table(("command", "what it does"), rows)])


def _described(command: Any, context: Any, name: str, depth: int) -> Iterator[str]:
    """A command and, if it is a group, its commands."""
    yield f"{'#' * depth} {name}\n\n{command.help.strip()}\n"
    inner = Context(command, info_name=name)
    if commands := getattr(command, "list_commands", None):
        if command.invoke_without_command:
            yield from _parameters(command, inner, name)
        for one in commands(inner):
            yield from _described(
                command.get_command(inner, one), inner, f"{name} {one}", depth + 1
            )
    else:
        yield from _parameters(command, inner, name)


def _parameters(command: Any, context: Any, name: str) -> Iterator[str]:
    """Usage, and a table of arguments and options."""
    yield f"```sh\n{name} {' '.join(command.collect_usage_pieces(context))}\n```\n"
    records = [one.get_help_record(context) for one in command.get_params(context)]
    rows = [
        (f"`{declared.replace('|', chr(92) + '|')}`", escaped(" ".join(meaning.split())))
        for declared, meaning in filter(None, records)
        if declared != "--help"
    ]
    if rows:
        yield table(("option", "meaning"), rows)
