"""How each checkpoint of the zoo is trained, read from config/zoo/recipes.yaml."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sinkscope.config import read_config
from sinkscope.errors import SinkscopeError
from sinkscope.schema import checked


@dataclass(frozen=True)
class Recipe:
    """Everything that a checkpoint depends on besides the corpus and the code.

    Lengths are in tokens, warm_up and steps in steps; decay is a fraction of the steps.
    """

    name: str
    seed: int
    vocabulary: int
    family: str
    attention: str
    teacher: str | None
    n_layers: int
    n_heads: int
    hidden_size: int
    initializer_range: float
    learning_rate: float
    weight_decay: float
    betas: tuple[float, float]
    clip: float
    warm_up: int
    decay: float
    row_lengths: tuple[int, ...]
    last_row_lengths: tuple[int, ...]
    tokens_per_step: int
    steps: int

    @property
    def model(self) -> str:
        """Name in tables and the report, distinct from the published model's."""
        return f"zoo-{self.name}"

    @property
    def max_length(self) -> int:
        return max(*self.row_lengths, *self.last_row_lengths)

    def batch_sizes(self) -> list[tuple[int, int]]:
        """(rows, tokens per row) of every kind of batch in the training."""
        lengths = dict.fromkeys((*self.row_lengths, *self.last_row_lengths))
        return [(max(1, self.tokens_per_step // n), n) for n in lengths]

    def batch_size(self, step: int) -> tuple[int, int]:
        """(rows, tokens per row) of one step. Lengths take turns; last_row_lengths are used while
        the learning rate falls."""
        falling = step >= self.steps - self.decay * self.steps
        lengths = self.last_row_lengths if falling else self.row_lengths
        length = lengths[step % len(lengths)]
        return max(1, self.tokens_per_step // length), length


def read_recipes(path: Path) -> dict[str, Recipe]:
    """All recipes by name. Raises SinkscopeError naming the file, the checkpoint and the key."""
    raw = read_shared(path)
    recipes = {}
    for name, overrides in raw["checkpoints"].items():
        values = checked(raw["defaults"] | overrides, "recipes", f"{path}, checkpoint '{name}'")
        recipes[name] = recipe_of(name, values, raw, path)
    return recipes


def read_shared(path: Path) -> dict[str, Any]:
    """The file as it is: seed, vocabulary, defaults, checkpoints."""
    raw = read_config(path)
    for key in ("seed", "vocabulary", "defaults", "checkpoints"):
        if key not in raw:
            raise SinkscopeError(f"{path}: '{key}' is missing; add it.")
    return raw


def recipe_of(name: str, values: dict[str, Any], raw: dict[str, Any], path: Path) -> Recipe:
    if values["hidden_size"] % values["n_heads"]:
        raise SinkscopeError(
            f"{path}, checkpoint '{name}': hidden_size {values['hidden_size']} is not a multiple "
            f"of its {values['n_heads']} heads; change one of them."
        )
    if values["attention"] != "softmax" and values["family"] != "gpt2":
        raise SinkscopeError(
            f"{path}, checkpoint '{name}': attention {values['attention']} exists for the family "
            "gpt2 only; use softmax."
        )
    teacher = values.get("teacher")
    if teacher is not None and (
        values["family"] != "distilbert"
        or raw["checkpoints"].get(teacher, {}).get("family") != "bert"
    ):
        raise SinkscopeError(
            f"{path}, checkpoint '{name}': teacher is '{teacher}', but only a distilbert has a "
            "teacher, which is a bert of this file; correct it."
        )
    values = {"last_row_lengths": values["row_lengths"], "teacher": None} | values
    values |= {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
    return Recipe(name, raw["seed"], raw["vocabulary"], **values)


def find_recipe(path: Path, name: str) -> Recipe:
    recipes = read_recipes(path)
    if name not in recipes:
        raise SinkscopeError(
            f"{path}: checkpoint '{name}' does not exist; the file has {', '.join(recipes)}."
        )
    return recipes[name]
