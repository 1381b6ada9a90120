"""The page docs/reference/configuration.md: settings, columns and fields, from the schemas and the
declarations of experiments and measures."""

import inspect
import json
from collections.abc import Iterable, Mapping
from typing import Any

from sinkscope.claims.measure import Measure, measures
from sinkscope.declarations.registry import experiments, settings, settings_of
from sinkscope.reference.markdown import escaped, table
from sinkscope.schema import kind_of, properties, required

INTRODUCTION = """\
# Settings and columns

What `config/config.yaml`, `config/models.tsv`, `config/documents.tsv` and `config/claims.yaml` may
say. `make reference` writes this page from the schemas and the declarations of experiments, by
which a configuration is also checked before any job starts.
[The folder `config/`](config_folder.md) explains how the files work together.

Settings can be changed without editing a file: `snakemake --config epsilon=0.2`, or
`snakemake --configfile mine.yaml`.
"""
EXPERIMENTS = """\
## Experiments and their settings

`experiments` lists what runs besides the atlas. A setting that several experiments read is listed
with each of them. `claims`, which tests the claims of `config/claims.yaml`, has no settings.
"""
MODELS = """\
## models.tsv

One model per row, with tabs between the columns. The first two columns are required.
"""
DOCUMENTS = """\
## documents.tsv

One row per text file, or per file that holds many documents.
"""
CLAIMS = """\
## claims.yaml

The fields of a claim. [Test a claim of your own](../how-to/claims.md) shows a whole file.
"""
MEASURES = """\
## Measures of claims

The values of `measure`, and the options that `with` passes to it. An option without a default is
required. Layers are `all` or a range: `[2, -1]` is layer 2 to the last. A wrong option is an error
of the dry run, which lists the legal values.
"""


def page() -> str:
    """The text of docs/reference/configuration.md."""
    own = {key: part for key, part in properties("config").items() if key not in settings()}
    measured = [
        (f"`{name}`", escaped(one.about), _options(one), ", ".join(f"`{t}`" for t in one.tables))
        for name, one in measures().items()
    ]
    parts = [
        INTRODUCTION,
        "## Settings\n",
        _table(own, required("config"), "setting"),
        EXPERIMENTS,
        *_experiments(),
        MODELS,
        _table(properties("models"), required("models"), "column"),
        DOCUMENTS,
        _table(properties("documents"), required("documents"), "column"),
        CLAIMS,
        _table(properties("claims"), required("claims"), "field"),
        MEASURES,
        table(("measure", "number", "options", "tables"), measured),
    ]
    return "\n".join(parts)


def _experiments() -> Iterable[str]:
    """A part per experiment: the titles of its pages of the report, and its settings."""
    for name, experiment in experiments().items():
        if not experiment.sections:
            continue
        titles = "; ".join(section.title for section in experiment.sections.values())
        yield f"### {name}\n\nIn the report: {titles}\n"
        declared = {one.key: properties("config")[one.key] for one in settings_of(experiment)}
        if declared:
            yield _table(declared, [], "setting")


def _options(measure: Measure) -> str:
    """The options of a measure, each with its default."""
    parameters = list(inspect.signature(measure.compute).parameters.values())[2:]
    return ", ".join(
        f"`{one.name}`" if one.default is one.empty else f"`{one.name}: {_yaml(one.default)}`"
        for one in parameters
    )


def _table(parts: Mapping[str, Mapping[str, Any]], needed: Iterable[str], what: str) -> str:
    """A Markdown table with one row per property of a schema."""
    rows = [
        (
            f"`{key}`",
            "required" if key in needed else _default(part),
            escaped(_values(part)),
            escaped(part.get("description", "")),
        )
        for key, part in parts.items()
    ]
    return table((what, "default", "values", "meaning"), rows)


def _values(part: Mapping[str, Any]) -> str:
    """What the values of a property may be."""
    if kind := kind_of(part):
        return kind
    if part.get("type") == "string":
        return "text"
    kinds = part["type"] if isinstance(part["type"], list) else [part["type"]]
    return " or ".join({"object": "a mapping", "string": "text"}.get(k, f"a {k}") for k in kinds)


def _default(part: Mapping[str, Any]) -> str:
    """The default as YAML writes it; empty if there is none."""
    return f"`{_yaml(part['default'])}`" if part.get("default", "") != "" else ""


def _yaml(value: Any) -> str:
    """A value as it is written in a configuration."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(str(item) for item in value)}]"
    return value if isinstance(value, str) else json.dumps(value)
