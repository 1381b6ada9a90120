"""The tables of the experiment on the roles of heads."""

from sinkscope.experiments.head_roles.constants import KINDS, ON, ROLES
from sinkscope.tables.columns import count, estimated, fraction, layer, number, ratio, shared, text
from sinkscope.tables.table import Column, Table

NATS = "nats per token"
ROLE = text(
    "none: no sink; no-op: the sink sends almost nothing; broadcast: it sends the same to all "
    "queries; mixed: neither"
)
NUMBERS = {
    "share_of_queries": fraction(
        "fraction of the queries that see the key, itself excepted, that give it at least half of "
        "their attention in this head; null if no key is seen by sink_queries of them"
    ),
    "value_ratio": ratio(
        "norm of what the key sends, |W_O v|, over the median of that of all other keys; of a head "
        "with a gate g, |W_O (g v)|, root mean square over queries"
    ),
    "stable_rank": number(
        "of the head's outputs W_O sum_j A[i,j] v_j of all queries, gates included: sum of the "
        "squared singular values over the largest; 1: all point in one direction",
        "rank",
    ),
}
WHAT = {
    "zero": "the key's value is 0",
    "mean": "the key has the mean value of the other keys",
    "other": "the key has the value of the same head's key (sink or random) in another text",
    "remove": "the key is forbidden and the other keys share its attention",
}
KEYS = {"sink": "the head's key", "random": "a seeded random other key"}


def change(on: str, kind: str) -> Column:
    return number(
        f"how much the head's outputs change if {WHAT[kind]}, on {KEYS[on]}: root of the sum of "
        "squares of the change over that of the outputs, after gates and W_O, over all queries "
        "except the key's; null without such a key, or without another text",
        "part of the output",
    )


CHANGES = {f"{on}_{kind}": change(on, kind) for kind in KINDS for on in ON}
EDIT = {
    "role": ROLE,
    "layer": layer("layer of a single head; null for all heads of the role together"),
    "head": layer("a single head; null for all heads of the role together"),
    "edit": text("; ".join(f"{kind}: {WHAT[kind]}" for kind in KINDS)),
    "edited_key": text("; ".join(f"{on}: {KEYS[on]}" for on in ON) + " of each of these heads"),
}
COSINE = number(
    "cosine between the final state of a token and that of the pass without edits, mean over "
    "tokens",
    "cosine, -1 to 1",
)

TABLES: dict[str, Table] = {
    "head_roles": Table(
        "one row per model, layer and head. The table head_roles_documents over documents: the "
        "role of a head's sink (Fesser et al. 2026).",
        estimated(
            {
                **shared("model", "layer", "head"),
                "role": text(
                    "the commonest role over the documents in which the head has a sink, if these "
                    f"are at least half: {', '.join(ROLES)}; mixed if two are as common"
                ),
                "n_documents": count("number of documents"),
                "n_events": count("number of documents with a sink"),
                "key_class": text("commonest class of the key over documents"),
                **NUMBERS,
                **CHANGES,
            },
            (*NUMBERS, *CHANGES),
        ),
        sort=("model", "layer", "head"),
    ),
    "head_edit_costs": Table(
        "one row per model, role (or single head), edit and edited key. The table head_edits over "
        "documents.",
        estimated(
            {
                **shared("model"),
                **EDIT,
                "n_documents": count("number of documents with such heads"),
                "n_heads": number("number of edited heads, mean", "count"),
                "loss_change": number(
                    "negative log likelihood per predicted token minus that without edits; null "
                    "for a model without an output head",
                    NATS,
                ),
                "cosine": COSINE,
            },
            ("loss_change", "cosine"),
        ),
        sort=("model", "role", "layer", "head", "edit", "edited_key"),
    ),
    "head_roles_documents": Table(
        "one row per model, document, layer and head. The key to which most queries give at "
        "least half of their attention, and the norm of its value. A head has a sink if at least "
        "0.9 of the queries do; it is a no-op if value_ratio is at most 0.2, a broadcast if "
        "value_ratio is at least 0.5 and stable_rank at most 1.5, else mixed (Fesser et al. "
        "2026, for vision transformers). Documents are cut to their first tokens (setting "
        "experiment_tokens); those with no more than sink_queries tokens are left out.",
        {
            **shared("model", "document", "layer", "head", "key", "token", "key_class"),
            **NUMBERS,
            "role": ROLE,
            **CHANGES,
        },
        sort=("model", "document", "layer", "head"),
        csv=False,
    ),
    "head_edits": Table(
        "one row per model, document, role (or single head), edit and edited key. Loss if the "
        "sinks of all heads of a role are edited in the same pass. The first documents by name "
        "(setting edited_documents).",
        {
            **shared("model", "document"),
            **EDIT,
            "n_heads": count("number of edited heads, over all layers"),
            "n_predicted": count("number of tokens that are predicted"),
            "loss": number(
                "negative log likelihood of the predicted tokens, mean, as in the table masks", NATS
            ),
            "dense_loss": number("the same without edits", NATS),
            "cosine": COSINE,
        },
        sort=("model", "document", "role", "layer", "head", "edit", "edited_key"),
    ),
}
