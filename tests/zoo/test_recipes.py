"""Recipes: what is read, and the sentence for what cannot be."""

import pytest
import yaml

from sinkscope.errors import SinkscopeError
from sinkscope.zoo.families import FAMILIES
from sinkscope.zoo.recipes import find_recipe, read_recipes
from small_zoo import RECIPES


def test_the_zoo_has_every_family_once_with_softmax(recipes):
    softmax = [recipe.family for recipe in recipes.values() if recipe.attention == "softmax"]
    assert sorted(softmax) == sorted(FAMILIES)


def test_variants_differ_from_their_sibling_in_their_attention_alone(recipes):
    for recipe in recipes.values():
        if recipe.attention != "softmax":
            differing = {
                key
                for key, value in vars(recipe).items()
                if value != getattr(recipes[recipe.family], key)
            }
            assert differing == {"name", "attention"}


def test_no_name_can_be_taken_for_a_published_model(recipes):
    assert all(recipe.model == f"zoo-{recipe.name}" for recipe in recipes.values())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"hidden_size": 161}, "hidden_size 161 is not a multiple of its 5 heads"),
        ({"attention": "sigmoid", "family": "opt"}, "exists for the family gpt2 only"),
        ({"family": "mamba"}, "family is 'mamba'"),
        ({"stesp": 3}, "unknown key 'stesp'; did you mean 'steps'?"),
    ],
)
def test_a_bad_recipe_is_named_with_its_file_and_checkpoint(change, sentence, tmp_path):
    raw = yaml.safe_load(RECIPES.read_text())
    raw["checkpoints"]["gpt2"] |= change
    path = tmp_path / "recipes.yaml"
    path.write_text(yaml.safe_dump(raw))
    with pytest.raises(SinkscopeError) as caught:
        read_recipes(path)
    assert sentence in str(caught.value)
    assert "recipes.yaml, checkpoint 'gpt2'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_checkpoint_is_answered_with_those_there_are():
    with pytest.raises(
        SinkscopeError, match="checkpoint 'gpt3' does not exist; the file has distilbert"
    ):
        find_recipe(RECIPES, "gpt3")
