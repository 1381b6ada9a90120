"""Sink mass of long texts, from all queries or from a sample of them.

All queries cost tokens x tokens. Queries drawn at random give every mean with a standard error
(`extract.sampled`); max keys are known only for the sampled queries.
"""

from sinkscope.declarations.experiment import Experiment, Section, Setting
from sinkscope.tables.columns import count, fraction, shared, text
from sinkscope.tables.table import Column, Table

SAMPLED = "null where all queries were read"


def with_error(name: str, meaning: str) -> dict[str, Column]:
    """A mean over queries, its standard error, and its interval."""
    return {
        name: fraction(meaning),
        f"{name}_error": fraction(f"standard error of {name}, of the choice of queries; {SAMPLED}"),
        f"{name}_low": fraction(f"low end of the 95 % interval of {name} (Student's t); {SAMPLED}"),
        f"{name}_high": fraction(f"high end of the same interval of {name}"),
    }


READ = {
    "n_tokens": count("tokens of the document that were read"),
    "n_queries": count(
        "queries that the numbers are computed from: n_tokens, or those of the sample"
    ),
}
TABLES: dict[str, Table] = {
    "long_masses": Table(
        "one row per model, document, layer and key set that the document has. Sink mass of a "
        "long text.",
        {
            **shared("model", "document", "layer"),
            "key_set": text("set of keys S, as in the table sink_mass, without sinks"),
            "n_keys": count("number of keys of the document in the set"),
            **READ,
            **with_error(
                "mass",
                "attention on the keys of the set, summed over these keys, mean over heads and "
                "queries: mean_i sum_{j in S} M[l,i,j]",
            ),
            **with_error(
                "strict_mass",
                "mass, but averaged only over queries that are neither in the set nor the first "
                "query; null if the document has no such query",
            ),
        },
        sort=("model", "document", "layer", "key_set"),
    ),
    "long_mass_keys": Table(
        "one row per model, document, layer and key, for the long_mass_keys keys (a setting) that "
        "receive most in the layer, among those that at least half of the queries see.",
        {
            **shared("model", "document", "layer", "key", "token", "key_class"),
            **READ,
            **with_error(
                "received",
                "attention on the key, mean over heads and over the queries that see it: mean_i "
                "M[l,i,j]",
            ),
            "n_max": count(
                "number of the n_queries queries whose max key this is; queries outside a sample "
                "are not counted"
            ),
        },
        sort=("model", "document", "layer", "key"),
    ),
}

EXPERIMENT = Experiment(
    tables=TABLES,
    settings=(
        Setting(
            "queries",
            "all",
            "Queries that long_masses reads: all, or sampled, about one in queries_part of them, "
            "drawn at random; its numbers are then estimates with standard errors. Encoders, and "
            "texts that are too short for a sample, are read with all.",
            {"enum": ["all", "sampled"]},
        ),
        Setting(
            "queries_part",
            8,
            "With sampled queries, long_masses reads about one query in this many.",
            {"type": "integer", "minimum": 2, "maximum": 4096},
        ),
        Setting(
            "queries_seed",
            0,
            "Seed of the choice of queries.",
            {"type": "integer", "minimum": 0, "maximum": 4_294_967_295},
        ),
        Setting(
            "long_mass_tokens",
            4096,
            "First tokens of a document that long_masses reads.",
            {"type": "integer", "minimum": 16, "maximum": 1_000_000},
        ),
        Setting(
            "long_mass_keys",
            16,
            "Keys per layer and document in the table long_mass_keys.",
            {"type": "integer", "minimum": 1, "maximum": 1024},
        ),
    ),
    tokens="long_mass_tokens",
    sections={
        "long_masses": Section(
            title="Sink mass of long texts",
            intro=(
                "The cost of all queries of a long text grows with tokens x tokens. A random "
                "sample of the queries estimates the same means with a standard error. How much "
                "attention does the first token keep when thousands of others compete with it?"
            ),
            tables=("long_masses",),
        ),
    },
)
