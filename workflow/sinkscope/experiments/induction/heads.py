"""The order in which figures show heads, and groups of heads. Pure functions."""

import polars as pl

from sinkscope.charts.figure import Tables
from sinkscope.charts.select import in_most_documents
from sinkscope.experiments.induction.derive import ON_TEXT, peers_mean

HALF = 0.5

# Phrases shared by several captions.
OFFSETS = (
    "Key i-N is the same token the first time (the duplicate-token pattern), key i-N+1 the one "
    "that followed it then, which is what helps to predict the next token"
)
SOURCE = "Heads that attend mostly to the first token are called dormant (Guo et al. 2024)"

INDUCTION, OTHERS = "induction heads", "all other heads"
PEERS = "other heads of the same layers"
# Group of heads: colour and shape of its mark.
LOOKS = {
    INDUCTION: ("#d55e00", "circle"),
    PEERS: ("#009e73", "triangle-up"),
    OTHERS: ("#0072b2", "diamond"),
}


def measured(tables: Tables) -> pl.DataFrame:
    """Rows of `induction` with a score, sorted; NaN becomes null."""
    table = tables["induction"]
    floats = [name for name, kind in table.schema.items() if kind.is_float()]
    rows = table.with_columns(
        pl.col(floats).fill_nan(None), pl.col("is_induction").fill_null(False)
    )
    return rows.drop_nulls("induction_score").sort("model", "layer", "head")


def on_ordinary_text(tables: Tables) -> pl.DataFrame:
    """The measured heads whose attention on ordinary text is known."""
    return measured(tables).drop_nulls("first_token")


def strongest(heads: pl.DataFrame) -> pl.DataFrame:
    """The strongest head of each model, ties to the first; the strongest model comes first."""
    order = ["induction_score", "model", "layer", "head"]
    ordered = heads.sort(order, descending=[True, False, False, False])
    return ordered.group_by("model", maintain_order=True).first()


def by_strength(heads: pl.DataFrame) -> pl.DataFrame:
    """The strongest head of each model, then all other induction heads by their score."""
    best = strongest(heads)
    keys = ["model", "layer", "head"]
    others = heads.filter("is_induction").join(best, on=keys, how="anti")
    others = others.sort("induction_score", *keys, descending=[True, False, False, False])
    return pl.concat([best, others.select(best.columns)])


def groups(heads: pl.DataFrame) -> pl.DataFrame:
    """One row per model: n_induction, n_others, and for each of ON_TEXT the mean over induction
    heads (_induction), over all others (_others) and over the induction heads' peers (_peers).

    heads: frame returned by on_ordinary_text.
    """
    kinds = {"induction": pl.col("is_induction"), "others": ~pl.col("is_induction")}
    means = [
        pl.col(column).filter(kind).mean().alias(f"{column}_{name}")
        for column in ON_TEXT
        for name, kind in kinds.items()
    ]
    peers = [pl.col(f"{column}_peers").filter("is_induction").mean() for column in ON_TEXT]
    return (
        heads.group_by("model", maintain_order=True)
        .agg(
            *(kind.sum().alias(f"n_{name}") for name, kind in kinds.items()),
            *means,
            *peers,
        )
        .sort("model")
    )


def resting(heads: pl.DataFrame, on_text: pl.DataFrame) -> pl.DataFrame:
    """model, layer, head, k, n: the induction heads that give the first token more than HALF of
    their attention, mean over queries, in k of n documents, more than half of them. heads: frame
    returned by on_ordinary_text. on_text: the table heads."""
    by = ["model", "layer", "head"]
    kinds = [pl.col(name).cast(on_text.schema[name]) for name in by]
    induction_heads = heads.filter("is_induction").select(kinds)
    rows = on_text.join(induction_heads, on=by, how="semi")
    return in_most_documents(rows, pl.col("sink_score").fill_nan(None) > HALF, by)


def groups_of_documents(heads: pl.DataFrame, on_text: pl.DataFrame) -> pl.DataFrame:
    """model, document, and for each of ON_TEXT the means of `groups` in every document: over
    induction heads (_induction), over all others (_others) and over the induction heads' peers
    (_peers; a layer counts as often as it has induction heads).

    heads: frame returned by on_ordinary_text. on_text: the table heads.
    """
    by = ["model", "layer", "head"]
    columns = [pl.col(name).cast(on_text.schema[name]) for name in ("layer", "head")]
    kinds = heads.select("model", *columns, "is_induction")
    rows = (
        on_text.rename({"sink_score": "first_token"})
        .join(kinds, on=by)
        .with_columns(peers_mean(name).alias(f"{name}_peers") for name in ON_TEXT)
    )
    is_induction = pl.col("is_induction")
    return (
        rows.group_by("model", "document")
        .agg(
            mean.alias(f"{name}_{group}")
            for name in ON_TEXT
            for group, mean in {
                "induction": pl.col(name).filter(is_induction).mean(),
                "others": pl.col(name).filter(~is_induction).mean(),
                "peers": pl.col(f"{name}_peers").filter(is_induction).mean(),
            }.items()
        )
        .sort("model", "document")
    )


def heads_per_model(heads: pl.DataFrame) -> list[int]:
    return heads.group_by("model").len()["len"].to_list()
