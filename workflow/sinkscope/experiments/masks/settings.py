"""A setting that experiments with random keys share."""

from sinkscope.declarations.experiment import Setting

MASK_SEED = Setting(
    "mask_seed",
    0,
    "Seed of random keys, and of the tokens that encoders predict.",
    {"type": "integer", "minimum": 0, "maximum": 4_294_967_295},
)
