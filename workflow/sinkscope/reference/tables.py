"""The page docs/reference/tables.md: rows, columns, units and meanings of all tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sinkscope.declarations.statistic import Statistic
from sinkscope.intervals import RESAMPLES
from sinkscope.reference.markdown import escaped, table
from sinkscope.tables.contract import SCHEMA_VERSION
from sinkscope.tables.table import Table

INTRODUCTION = f"""\
# The tables

The meaning of every column of every table. `sinkscope describe --markdown` writes this page from
the declarations in the code. The Parquet files hold the same texts in their metadata, with the
version of the schema, {SCHEMA_VERSION}:

```python
import json
import polars as pl

metadata = pl.read_parquet_metadata("results/tables/sink_mass.parquet")
metadata["sinkscope_schema_version"]
json.loads(metadata["sinkscope_columns"])["mass"]["meaning"]
```

A[l,h,i,j] is the probability that query i assigns to key j in head h of layer l; M is the mean of A
over heads. Layers, heads and positions count from 0. Rows are sorted by the columns in bold, which
identify a row. A value that does not exist is null.

A mean over documents stands before its 95 % bootstrap interval, in columns NAME_low and NAME_high
(or low and high), and beside the number of documents. The interval draws as many documents as there
are, with replacement, {RESAMPLES:,} times with a fixed seed, and spans the middle 95 % of the means
(percentile interval, Efron 1979). Fewer than two documents have none. With few documents it is too
narrow: normal values of 8 documents are covered in 88 % of all samples.
"""
CELLS = """\
## Cells

A cell, `results/cells/MODEL/DOCUMENT.safetensors`, holds the statistics of one model on one
document: these arrays, and as metadata its tokens and their classes. The axis `key_set` lists the
key sets in the order of `sinkscope.keys.KEY_SETS`, `width` the windows of 1 to 5 tokens around a
query, and `cell` the cells of a map: tokens, or in long documents `map_cells` blocks of tokens;
`coarse` the cells of the coarse map of a head, at most 64.

Documents kept only as a summary (the setting `detail`) share the files
`results/cells/MODEL/SHARD/PART.safetensors`; `sinkscope.extract.summary` describes and reads them.
"""


def page(tables: Mapping[str, Table], statistics: Iterable[Statistic]) -> str:
    """The text of docs/reference/tables.md."""
    parts = [INTRODUCTION, *(section(name, table) for name, table in tables.items())]
    return "\n".join([*parts, CELLS, arrays(statistics)])


def section(name: str, declared: Table) -> str:
    """One table of the page."""
    rows = [
        (bold(column, declared), one.type, one.unit, escaped(one.meaning))
        for column, one in declared.columns.items()
    ]
    about = escaped(declared.rows[:1].upper() + declared.rows[1:])
    return f"## {name}\n\n{about}\n\n{table(('column', 'type', 'unit', 'meaning'), rows)}"


def arrays(statistics: Iterable[Statistic]) -> str:
    """The table of the arrays of a cell."""
    rows = []
    for one in statistics:
        meaning = one.definition.format(width="w") + (f" ({one.source})" if one.source else "")
        axes = ", ".join(one.axes)
        rows.append((f"`{one.name}`", axes, one.type, one.unit, escaped(meaning)))
    return table(("array", "axes", "type", "unit", "meaning"), rows)


def bold(column: str, declared: Table) -> str:
    return f"**`{column}`**" if column in declared.sort else f"`{column}`"
