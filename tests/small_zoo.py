"""A zoo so small that it trains in seconds: its texts and its recipes."""

import dataclasses
import random
from pathlib import Path

from sinkscope.zoo.train import run_training

RECIPES = Path(__file__).parents[1] / "config" / "zoo" / "recipes.yaml"
VOCABULARY = 400


def story(seed, n_sentences):
    """Sentences that a model can learn something of."""
    choose = random.Random(seed).choice
    who = ["The old man", "A river", "The girl", "My brother", "Every house", "The long road"]
    what = ["went to", "looked at", "waited for", "never saw", "was near", "remembered"]
    where = ["the sea", "a quiet town", "the garden", "an empty field", "the mountain"]
    sentences = (f"{choose(who)} {choose(what)} {choose(where)}." for _ in range(n_sentences))
    return "Z Did Zoe go to the sea? " + " ".join(sentences)


def small(recipe, **changes):
    """The recipe with its layers and widths as they are, but short rows and few steps."""
    values = {"row_lengths": (16, 80), "tokens_per_step": 320, "warm_up": 2, "steps": 6}
    if len(recipe.row_lengths) == 1:
        values["row_lengths"] = (80,)
    values |= {
        "last_row_lengths": (80,),
        "n_layers": 2,
        "hidden_size": 40,
        "vocabulary": VOCABULARY,
    }
    return dataclasses.replace(recipe, **(values | changes))


def train_on_cpu(recipe, made, out, teacher=None):
    """The folder `out` with the trained checkpoint; made: the corpus and tokens of a small zoo."""
    tokens = made / "tokens" / f"{recipe.family}.safetensors"
    run_training(recipe, made / "corpus", tokens, made / "tokenizers", out, "cpu", teacher)
    return out
