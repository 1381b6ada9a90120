"""The change of the loss if the sinks of all heads of a role are edited."""

from typing import Any

import altair as alt
import polars as pl

from sinkscope import words
from sinkscope.charts.channels import N_DOCUMENTS, estimated, panels, rows_axis, tips
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.forms.marks import Look, mark_looks, mean_marks
from sinkscope.charts.of_documents import behind, with_points
from sinkscope.charts.select import documents_in
from sinkscope.experiments.head_roles.constants import KINDS, ROLES
from sinkscope.findings.finding import Finding

LOOKS: dict[str, Look] = {"sink": ("#d55e00", "circle"), "random": ("#8a8f98", "triangle-up")}
SHORT = {"zero": "value 0", "mean": "mean value", "other": "value of another text",
         "remove": "removed"}  # fmt: skip
EDITED = {"zero": "with sinks that send nothing", "mean": "with sinks that send the mean value",
          "other": "with the sinks' values of another text",
          "remove": "without the sinks"}  # fmt: skip
KEYS = ["role", "edit", "edited_key"]
FINDING = (
    "Largest cost of an edit, in nats per token: "
    f"{{% for row in roles[:{words.FEW}] %}}"
    "{{ '; ' if not loop.first }}{{ row.model }}, {{ row.role }} heads "
    "({{ row.n_heads|decimals(1) }} per text, in {{ row.n_documents|counted('document') }}), "
    "{{ row.what }} "
    "{{ row.most|estimate(row.most_low, row.most_high) }}"
    "{% if row.edit != 'zero' and row.zero is not none %}, with sinks that send nothing "
    "{{ row.zero|estimate(row.zero_low, row.zero_high) }}{% endif %}"
    ", the same edit of random keys {{ row.random|estimate(row.random_low, row.random_high) }}"
    "{% endfor %}"
    f"{{% if roles | length > {words.FEW} %}}; {{{{ roles | length - {words.FEW} }}}} more below"
    "{% endif %}."
)


def figure(tables: Tables) -> Figure | None:
    costs = tables["head_edit_costs"].filter(pl.col("layer").is_null()).drop_nulls("loss_change")
    if costs.is_empty():
        return None
    order = [f"{role}: {SHORT[kind]}" for role in ROLES for kind in KINDS]
    drawn = with_documents(costs, tables["head_edits"])
    n_documents = tables["head_edits"]["document"].n_unique()
    order = [row for row in order if row in set(drawn["row"])]
    marks = mean_marks(
        alt.X("loss_change:Q", title="nats per token").axis(tickCount=4),
        rows_axis("row", order),
        mark_looks("edited_key", LOOKS),
        tips(
            *("model:N", ("row:N", "edit"), ("edited_key:N", "of the")),
            *(("n_heads:Q", "heads", ".1f"), *estimated("loss_change")),
            *(N_DOCUMENTS, "document:N"),
        ),
        field="loss_change",
        width=190,
        height=18 * max(len(order), 2),
        size=45,
    )
    return Figure(
        name="head_edits",
        title="Loss after edits of the sinks",
        finding=Finding(FINDING, facts_of(costs)),
        caption=(
            "Negative log likelihood per predicted token minus that without edits. All heads of "
            "a role are edited in one pass: the sink's value for other queries becomes 0 (or "
            "another value), or the sink is removed and the other keys share its attention. "
            "Triangles: the same with a random key of each of these heads. Sum over the tokens "
            "of "
            f"n = {documents_in(tables['head_edits'])} divided by their number; "
            f"{behind(drawn, n_documents, mark='rule')}. Unit: nats per token, linear scale."
        ),
        chart=panels(marks, "model", 3).resolve_scale(x="independent"),
        data=drawn,
    )


def with_documents(costs: pl.DataFrame, edits: pl.DataFrame) -> pl.DataFrame:
    """The costs, with their row in the figure, and the documents behind them. edits: the table
    head_edits."""
    change = pl.col("loss") - pl.col("dense_loss")
    single = edits.filter(pl.col("layer").is_null())
    single = single.select("model", "document", *KEYS, loss_change=change)
    single = single.drop_nulls("loss_change").sort("model", *KEYS, "document")
    means = costs.select("model", *KEYS, "n_heads", "n_documents", "^loss_change.*$")
    short = pl.col("edit").replace_strict(SHORT)
    return with_points(means, single).with_columns(row=pl.format("{}: {}", "role", short))


def facts_of(costs: pl.DataFrame) -> dict[str, Any]:
    """Per model the role and edit with the largest cost, with the value 0 and the same edit of
    random keys."""
    rows = costs.sort("loss_change", "role", "edit", descending=[True, False, False])
    sinks, random = (rows.filter(edited_key=name) for name in ("sink", "random"))
    ends = ("", "_low", "_high")

    def renamed(frame: pl.DataFrame, name: str, by: list[str]) -> pl.DataFrame:
        return frame.select(*by, **{f"{name}{end}": f"loss_change{end}" for end in ends})

    by = ["model", "role"]
    most = sinks.group_by("model", maintain_order=True).first()
    losses = (
        most.rename({f"loss_change{end}": f"most{end}" for end in ends})
        .join(renamed(sinks.filter(pl.col("edit") == "zero"), "zero", by), on=by, how="left")
        .join(renamed(random, "random", [*by, "edit"]), on=[*by, "edit"], how="left")
        .with_columns(what=pl.col("edit").replace_strict(EDITED))
        .sort("most", "model", descending=[True, False])
    )
    numbers = [f"{name}{end}" for name in ("most", "zero", "random") for end in ends]
    names = ("model", "role", "n_heads", "n_documents", "edit", "what")
    return {"roles": losses.select(*names, *numbers).to_dicts()}
