"""Tables of induction heads whose answer is known, and the figures that are drawn of them."""

import polars as pl

from drawing import figures_of
from sinkscope.experiments.induction.derive import with_ordinary_text

N = 5  # tokens of a repeat
N_LAYERS, N_HEADS = 3, 4
HEADS = {
    "layer": pl.UInt16, "head": pl.UInt16, "is_induction": pl.Boolean,
    "first_token": pl.Float64, "over_half": pl.Float64, "duplicate_score": pl.Float64,
}  # fmt: skip
SCORES = ["model", "layer", "head", "induction_score", "duplicate_score"]
ENTRIES = {"layer": pl.UInt16, "head": pl.UInt16, "query": pl.UInt32, "key": pl.UInt32}


def heads(model, planted, rest=0.1, size=(N_LAYERS, N_HEADS)):
    """planted: (layer, head) to (induction score, first token); other heads score 0.02 and give
    the first token `rest`."""
    rows = []
    for layer in range(size[0]):
        for head in range(size[1]):
            score, first = planted.get((layer, head), (0.02, rest))
            rows.append(
                {
                    "model": model, "layer": layer, "head": head, "induction_score": score,
                    "duplicate_score": 0.03, "is_induction": score >= 0.4, "threshold": 0.4,
                    "first_token": first, "over_half": first,
                }
            )  # fmt: skip
    table = pl.DataFrame(rows, schema_overrides=HEADS)
    return with_ordinary_text(table.select(SCORES), {"heads": on_text(table)}, 0.4)


def on_text(table):
    """The table heads of two documents: half above, and half below what heads give on average."""
    return pl.concat(
        table.select(
            "model", "layer", "head", document=pl.lit(document),
            sink_score=pl.col("first_token") * part, over_half=pl.col("over_half") * part,
        )
        for document, part in (("one", 0.9), ("two", 1.1))
    )  # fmt: skip


def patterns(model, layer, head, followed, parked, bos=1):
    """On repeated tokens `followed` goes to i-N+1, on ordinary text `parked` to key 0."""
    rows = []
    for name in ("repeated", "ordinary"):
        for query in range(2 * N + bos):
            for key in range(query + 1):
                value = 0.001
                if name == "ordinary" and key == 0 and query:
                    value = parked
                # So does the last query, which does not count: its key is in the second repeat.
                if name == "repeated" and query >= N + bos and key == query - N + 1:
                    value = followed if query < 2 * N + bos - 1 else 0.007
                rows.append(
                    {
                        "model": model, "layer": layer, "head": head, "input": name,
                        "query": query, "key": key, "attention": value,
                    }
                )  # fmt: skip
    return pl.DataFrame(rows, schema_overrides=ENTRIES)


def drawn(*models):
    """models: tables of heads, their strongest heads as patterns. Figures by name."""
    parts = []
    for table in models:
        best = table.sort("induction_score", descending=True, nulls_last=True).row(0, named=True)
        if best["induction_score"] is not None:
            at = best["layer"], best["head"]
            parts.append(patterns(best["model"], *at, best["induction_score"], 0.9))
    entries = pl.concat(parts) if parts else patterns("x", 0, 0, 0, 0).clear()
    return of_tables(pl.concat(models), entries)


def of_tables(table, entries):
    """Figures by name."""
    ordinary = on_text(table)
    figures = figures_of("induction", induction=table, induction_patterns=entries, heads=ordinary)
    return {figure.name: figure for figure in figures}


RESTING = heads("a", {(1, 2): (0.8, 0.9), (2, 0): (0.5, 0.7)})
WITHOUT = heads("b", {(0, 3): (0.3, 0.2)})
BUSY = heads("c", {(2, 3): (0.45, 0.05)}, rest=0.3)
