"""Sections of the report that read the tables of the atlas."""

from __future__ import annotations

from sinkscope.declarations.experiment import Section

SECTIONS = {
    "found_sinks": Section(
        title="Which tokens are sinks",
        intro=(
            "An attention sink is a token that most later tokens attend to, whatever they are "
            "about. Here no list of tokens decides: in every layer, a key is a sink if it receives "
            "much more attention than an even distribution would give it, and from most of the "
            "queries that see it. Words such as “the” and line ends turn out to be sinks beside "
            "the first token and the special tokens. A second rule, by Wong et al. (2025), looks "
            "at the residual state instead: a sink is a token whose state points where that of the "
            "first token points. docs/sinks.md explains both."
        ),
        tables=("found_sinks", "sink_tokens", "sink_mass", "documents", "models"),
        figures=("strongest", "tokens", "histogram", "rules"),
        package="found",
    ),
}
