"""What each experiment depends on beside its model: readable without the libraries it runs with."""

from __future__ import annotations

# Experiments about single documents, of which every shard is a part.
OF_DOCUMENTS = ("second_sink", "norms", "bos")
ALL = "all"  # the part of an experiment that is not of a shard

# Keys of the configuration that a measurement reads; its job is given these and no others.
SETTINGS: dict[str, tuple[str, ...]] = {
    "induction": ("induction_tokens", "induction_seeds"),
    "second_sink": ("experiment_tokens", "documents_in_report"),
    "norms": ("experiment_tokens", "documents_in_report"),
    "bos": ("experiment_tokens",),
    "padded": ("truncate",),
}

# Experiments whose parts are joined to tables of their own, with the key of the threshold that the
# tables depend on.
THRESHOLDS: dict[str, str | None] = {
    "induction": "induction_threshold",
    "second_sink": "second_sink_mass",
    "norms": None,
    "bos": None,
}
