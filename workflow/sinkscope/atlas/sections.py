"""Sections of the report that read the tables of the atlas."""

from sinkscope.declarations.experiment import Section

FRONT = "front"  # its figures open the report; it has no page of its own
SECTIONS = {
    FRONT: Section(
        title="Where attention goes",
        intro="",
        tables=("sink_mass", "found_sinks", "sink_tokens", "heads", "documents", "models"),
        figures=("by_layer",),
        package="front",
        every_kind=True,
    ),
    "found_sinks": Section(
        title="Which tokens are sinks",
        intro=(
            "An attention sink is a token that most later tokens attend to, whatever their "
            "content. Sinks are detected by a rule, not listed: in every layer, a key is a sink "
            "if it receives much more than uniform attention, and from most of the queries that "
            "see it. Words such as “the” and line ends are sinks too, besides the first token "
            "and the special tokens. A second rule, by Wong et al. (2025), uses the residual "
            "state instead: a sink is a token whose state has the direction of that of the first "
            "token. docs/explanation/sinks.md explains both."
        ),
        verdict=(
            "{% if found_sinks_tokens.tokens is defined %}{% set row = "
            "found_sinks_tokens.tokens[0] %}Ordinary tokens too: “{{ row.token | bare }}” at {{ "
            "row.n_sinks }} of {{ row.n_occurrences | integer }} occurrences in {{ row.model }}, "
            "{{ [row.first_layer, row.last_layer] | layers }}."
            "{% elif found_sinks_tokens.n_once %}The first token and special tokens; others at one "
            "occurrence.{% else %}Only the first token and special tokens.{% endif %}"
        ),
        tables=("found_sinks", "sink_tokens", "sink_mass", "documents", "models"),
        figures=("strongest", "tokens", "histogram", "rules"),
        package="found",
    ),
}
