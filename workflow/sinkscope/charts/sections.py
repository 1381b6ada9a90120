"""Sections of the report that experiments add. Modules of charts are named, not imported: what a
section is about can be read without the libraries that draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from sinkscope.errors import SinkscopeError

if TYPE_CHECKING:
    from sinkscope.charts.figure import Figure, Tables


@dataclass(frozen=True)
class Section:
    """intro: a paragraph. tables: names, as in results/tables/. experiment: whose section it is.
    draws: the module of charts whose `figures` draws the tables. page: where it is shown, if it has
    a page of its own.

    With the table `models`, the figures compare models: those whose attention is not softmax are
    left out.
    """

    title: str
    intro: str
    tables: tuple[str, ...]
    experiment: str
    draws: str
    page: str | None = None

    @property
    def module(self) -> str:
        return f"sinkscope.charts.{self.draws}"

    def figures(self, tables: Tables) -> list[Figure]:
        return import_module(self.module).figures(tables)


# By name, in the order of the report. A name is the section's folder and its address.
SECTIONS = {
    "emergence": Section(
        "When sinks appear",
        "The zoo's models are small and were trained by this repository from random weights, with "
        "their attention measured all the way, on texts that they were not trained on. They show "
        "when a sink appears, in which layers, what the loss does meanwhile, and what the sink "
        "holds on to: the first position, or a special token.",
        ("emergence", "attachment"),
        "emergence",
        "emergence",
    ),
    "alternatives": Section(
        "Alternatives to softmax",
        "Softmax makes every row of attention sum to 1, so that a head with nothing to say has to "
        "put its attention somewhere. Here a model is trained again with attention that need not: "
        "softmax off-by-one (a zero logit beside those of the keys, so that rows sum to less than "
        "1) and sigmoid (each key by itself, so that rows sum to anything).",
        ("emergence",),
        "emergence",
        "alternatives",
    ),
    "second_sink": Section(
        "A second sink at the end of the first sentence?",
        "In Llama-2 the first token that ends a sentence (. ? !) becomes a near copy of the BOS: "
        "from then on two columns are bright, its state is the same whatever the text, and yet "
        "neighbours keep their attention, which a second sink beside the first should have cost "
        "them. Here the first terminator of every document is looked at in the same ways, beside "
        "controls: another mark in its place, and the next terminator.",
        (
            *("second_sink_layers", "second_sink", "second_sink_local", "second_sink_states"),
            *("second_sink_maps", "models"),
        ),
        "second_sink",
        "second_sink",
    ),
    "norms": Section(
        "What a sink carries",
        "A head that has nothing to say parks its attention where it does least harm: on a token "
        "whose value is small. Here the norms of residual states, keys and values show whether "
        "sinks are such tokens, a few huge entries of the state show how a model marks them, and "
        "attention weighted by the norms of the values shows how much of a sink is left.",
        ("norm_ratios", "norm_weighted", "activations", "norms", "models"),
        "norms",
        "norms",
    ),
    "bos": Section(
        "What the sink holds on to: a token, or its place?",
        "The same texts run with and without their special tokens, equally long: does the first "
        "real token take over? Then with other words in the first place, and with another sentence "
        "in front, whose end is a terminator or, as a control, a comma: does the attention that "
        "the first terminator gets stay with it, go to the new first one, or stay in its place?",
        ("bos", "position_content", "models"),
        "bos",
        "bos",
    ),
    "induction": Section(
        "Induction heads, and where they rest",
        "An induction head looks at what followed the same token the last time, and so predicts "
        "that it will follow again. Random tokens, given twice, show which heads of the decoders "
        "do this, because nothing else helps there. On ordinary text there is mostly nothing to "
        "repeat: here the same heads are seen on the corpus, to learn whether they park their "
        "attention on the first token meanwhile.",
        ("induction", "induction_patterns", "models"),
        "induction",
        "induction",
    ),
    "claims": Section(
        "Claims of the studies",
        "What the studies behind this tool say, each statement made checkable before any result "
        "was seen: a measure, and a condition that decides. A verdict is about the very model that "
        "a claim speaks about; where that was not in this run, the numbers of its relatives, "
        "models of the same architecture, are given, and decide nothing. A claim holds if it holds "
        "for every model that it speaks about, and holds where tested if some of them were not in "
        "this run.",
        ("claims", "max_attention_tokens", "max_attention_tokens_padded"),
        "claims",
        "claims",
        page="claims.html",
    ),
}


def write_section(name: str, tables: Path, out: Path) -> None:
    """Write the figures of a section into the folder `out`, as job.write_all does.

    Raises SinkscopeError for a section that there is not.
    """
    from sinkscope.charts.job import write_all
    from sinkscope.charts.select import with_softmax
    from sinkscope.reduce.read import read_table

    if name not in SECTIONS:
        raise SinkscopeError(f"no section '{name}'; sections are {', '.join(SECTIONS)}.")
    section = SECTIONS[name]
    found = {table: read_table(tables / f"{table}.parquet") for table in section.tables}
    if "models" in found:
        found = with_softmax(found)
    write_all(section.figures(found), out)
