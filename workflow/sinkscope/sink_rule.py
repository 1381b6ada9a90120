"""The rule by which a key counts as an attention sink."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

# A query gives a key more than uniform attention if it gives this many times 1 / (number of keys
# that it sees). Less is rounding: rows that are uniform stay uniform in every number format.
MORE = 1.001


@dataclass(frozen=True)
class SinkRule:
    """Which keys are sinks of a layer. Both rules are always applied; `by` chooses the one that
    the key set `sinks` and the local attention without sinks follow.

    attention: of the head mean of the attention (or of one head), the key receives
      - on average, over the queries that see it, more than `floor`, and more than `times` what
        uniform attention would give it: the mean of 1 / (number of keys that the query sees);
      - from at least the fraction `share` of these queries more than uniform attention gives;
      - and at least n_queries queries see it.
    state_cosine: the residual state that enters the layer has an absolute cosine above `cosine`
    to that of key 0 (Wong et al. 2025, arXiv 2512.22213).

    Steadiness (`share`) tells a sink from a word that a few later queries look for. A causal text
    of n tokens gives key 0 a uniform attention of about (log n + 0.6) / n, so `times` that is more
    than a key can receive in very short texts; n_queries excludes them.
    """

    by: Literal["attention", "state_cosine"] = "attention"
    times: float = 3.0
    floor: float = 0.03
    share: float = 0.75
    n_queries: int = 24
    cosine: float = 0.9


def rule_of(settings: Mapping[str, Any]) -> SinkRule:
    """The rule that the keys sink_... of the configuration name."""
    return SinkRule(
        by=settings["sink_rule"],
        times=settings["sink_times"],
        floor=settings["sink_floor"],
        share=settings["sink_share"],
        n_queries=settings["sink_queries"],
        cosine=settings["sink_cosine"],
    )
