"""Which tokens are the max key, and how often."""

from collections.abc import Sequence

from sinkscope import words
from sinkscope.atlas.figures import max_keys
from sinkscope.charts.figure import Figure, Tables
from sinkscope.charts.of_counts import counts_of, with_documents, with_intervals
from sinkscope.charts.of_documents import behind
from sinkscope.findings.finding import Finding

N_TOKENS = 10
FINDING = (
    "{{ token | token(key_class) }} takes {{ count | integer }} of {{ total | integer }} max keys "
    "({{ share | percent_estimate(low, high) }})"
    "{% for one in next %}; next is {{ one.token | token(one.key_class) }} with "
    "{{ one.share | percent_estimate(one.low, one.high) }}{% endfor %}."
)


def figure(tables: Tables, model: str, documents: Sequence[str]) -> Figure:
    histogram = tables["max_attention_tokens"]
    read = tables["documents"]
    n_tokens, total = int(read["n_tokens"].sum()), int(histogram["count"].sum())
    firsts = max_keys.top(histogram, N_TOKENS)
    counted = counts_of(tables, firsts)
    most = with_intervals(firsts, counted)
    facts = ("token", "key_class", "share", "low", "high")
    first, *others = most.select("count", *facts).to_dicts()
    following = [{name: row[name] for name in facts} for row in others]
    drawn = with_documents(most, counted, read).select(max_keys.COLUMNS)
    return Figure(
        name="max_attention",
        title="Which tokens are the max key",
        subject=model,
        finding=Finding(FINDING, {**first, "total": total, "next": following[:1]}),
        caption=(
            f"The {most.height} most frequent max keys by token string and key class. "
            f"Formula: {max_keys.FORMULA}; ties go to the lowest j: "
            f"{words.integer(int(histogram['n_ties'].sum()))} of them are ties to within float32 "
            "rounding. The pale end of a bar shows near ties: another key gets less by at most "
            "the fraction tie_tolerance. "
            f"n = {words.integer(total)} max keys: "
            f"{words.counted(tables['models']['n_layers'][0], 'layer')} {words.TIMES} "
            f"{words.counted(n_tokens, 'token')} of "
            f"{words.counted(read.height, 'document')}, no padding; "
            f"{behind(drawn, read.height, mark='rule')} (share of their own max keys). "
            "Unit: count, and share of n. ▁ is a space before a token, ⏎ a line end."
        ),
        chart=max_keys.key_bars(drawn, "share of max keys", 560),
        data=drawn,
    )
