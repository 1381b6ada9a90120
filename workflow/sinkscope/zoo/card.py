"""The folder of a finished checkpoint: weights, tokenizer, training log, evaluation, card."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sinkscope.errors import SinkscopeError
from sinkscope.experiments.emergence import growth
from sinkscope.files import write_text, written
from sinkscope.zoo.families import FAMILIES
from sinkscope.zoo.recipes import Recipe
from sinkscope.zoo.train import LOG

CHECKPOINT = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
TEMPLATE = "card.md.j2"

PUBLISHED = {
    "distilbert": "DistilBERT",
    "bert": "BERT",
    "roberta": "RoBERTa",
    "opt": "OPT",
    "gpt2": "GPT-2",
    "falcon": "Falcon (falcon-rw, with ALiBi)",
    "llama": "Llama",
}
ATTENTION = {
    "softmax": "softmax",
    "softmax_off_by_one": "softmax-off-by-one (a zero logit added to every row)",
    "sigmoid": "sigmoid (bias -log n, n the keys that a query sees)",
    "learned_sink": "softmax with a learned sink (one more logit in every row, learned per head)",
    "gated_softmax": "gated softmax (each head's output times a gate that the layer's input opens)",
}
VERDICTS = {
    "position": "the first position, whatever token stands there",
    "token": "the special token, wherever it stands",
    "both": "both the first position and the special token",
    "neither": "the special token in its place: neither alone keeps half of it",
    "no sink": "nothing: no sink by this measure",
}


def facts(
    recipe: Recipe, log: pl.DataFrame, evaluation: pl.DataFrame, sources: pl.DataFrame
) -> dict[str, Any]:
    """The values that the card shows. log, evaluation: of this checkpoint. sources: of the
    corpus."""
    rows = evaluation.filter(pl.col("input") == growth.AS_TRAINED)
    masses = rows.pivot("window", index="layer", values="first_and_special").sort("layer")
    licences = sources.group_by("licence").agg(pl.len(), pl.col("bytes").sum())
    return {
        "recipe": recipe,
        "kind": FAMILIES[recipe.family].kind,
        "published": PUBLISHED[recipe.family],
        "attention": ATTENTION[recipe.attention],
        "n_tokens": int(log["tokens"].max()),  # type: ignore[arg-type]
        "loss": rows["loss"][0],
        "windows": sorted(rows["window"].unique()),
        "masses": masses.rows(),
        "uniform": dict(rows.select("window", "uniform").unique().iter_rows()),
        "target": growth.targets(evaluation).row(0, named=True),
        "appeared": growth.APPEARED,
        "times_uniform": growth.TIMES_UNIFORM,
        "onset": growth.onsets(growth.growth(log)).row(0, named=True)["onset"],
        "attachment": growth.verdicts(evaluation).row(0, named=True),
        "verdicts": VERDICTS,
        "licences": licences.sort("bytes", descending=True).rows(named=True),
        "n_bytes": sources["bytes"].sum(),
        "n_documents": sources["documents"].sum(),
        "n_sources": sources.height,
    }


def render(values: dict[str, Any]) -> str:
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return templates.get_template(TEMPLATE).render(values)


def write_folder(recipe: Recipe, trained: Path, evaluation: Path, corpus: Path, out: Path) -> None:
    """Write a finished checkpoint into the folder `out`, its card last."""
    files = {name: trained / name for name in (*CHECKPOINT, LOG)}
    for name, source in (files | {"evaluation.parquet": evaluation}).items():
        with written(out / name) as temporary:
            shutil.copyfile(source, temporary)
    log, evaluated = pl.read_parquet(trained / LOG), pl.read_parquet(evaluation)
    sources = pl.read_csv(corpus / "sources.tsv", separator="\t")
    write_text(out / "README.md", render(facts(recipe, log, evaluated, sources)))


def publish(folders: Sequence[Path], sources: Path, zoo: Path) -> None:
    """Copy finished folders to the zoo of the repository, and the list of the corpus's sources."""
    for folder in folders:
        if not (folder / "README.md").is_file():
            raise SinkscopeError(f"{folder}: holds no finished checkpoint; train it first.")
        for path in sorted(folder.iterdir()):
            with written(zoo / folder.name / path.name) as temporary:
                shutil.copyfile(path, temporary)
    with written(zoo / "sources.tsv") as temporary:
        shutil.copyfile(sources, temporary)
