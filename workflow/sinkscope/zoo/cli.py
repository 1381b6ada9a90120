"""Stages of `snakemake zoo`: from packages of text to the checkpoints in zoo/."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Train the small checkpoints of zoo/.", no_args_is_help=True)

Recipes = Annotated[Path, typer.Option(help="How checkpoints are trained (YAML).")]
Checkpoint = Annotated[str, typer.Option(help="A checkpoint of the recipes.")]
Sources = Annotated[Path, typer.Option(help="Table of the packages that hold the corpus.")]
Corpus = Annotated[Path, typer.Option(help="Folder of the corpus.")]
Out = Annotated[Path, typer.Option(help="Where the result is written.")]


@app.command()
def download(sources: Sources, out: Out) -> None:
    """Download the packages of the corpus and check their hashes."""
    from sinkscope.zoo.packages import download_all

    download_all(sources, out)


@app.command()
def corpus(
    sources: Sources,
    packages: Annotated[Path, typer.Option(help="Folder of the packages.")],
    out: Out,
    threads: Annotated[int, typer.Option(min=1)] = 2,
) -> None:
    """Read, clean and deduplicate the packages' text, and split it in two."""
    from sinkscope.zoo.corpus import build_corpus

    build_corpus(sources, packages, out, threads)


@app.command()
def tokenizers(recipes: Recipes, corpus: Corpus, out: Out) -> None:
    """Learn the vocabularies, and make the tokenizer of every family."""
    from sinkscope.zoo.recipes import read_shared
    from sinkscope.zoo.tokenizers import make_tokenizers
    from sinkscope.zoo.tokens import read_documents

    texts = [document["text"] for document in read_documents(corpus / "train.jsonl.xz")]
    shared = read_shared(recipes)
    make_tokenizers(texts, shared["vocabulary"], shared["seed"], out)


@app.command()
def tokens(
    corpus: Corpus,
    tokenizers: Annotated[Path, typer.Option(help="Folder of the tokenizers.")],
    family: Annotated[str, typer.Option(help="Whose tokenizer.")],
    out: Out,
) -> None:
    """Tokenise the corpus for one family."""
    from sinkscope.zoo.tokens import write_stream

    write_stream(corpus / "train.jsonl.xz", tokenizers, family, out)


@app.command()
def train(
    recipes: Recipes,
    checkpoint: Checkpoint,
    corpus: Corpus,
    tokens: Annotated[Path, typer.Option(help="The family's stream of tokens.")],
    tokenizers: Annotated[Path, typer.Option(help="Folder of the tokenizers.")],
    out: Out,
    teacher: Annotated[
        Path | None, typer.Option(help="Trained checkpoint that the recipe names as teacher.")
    ] = None,
    device: Annotated[str, typer.Option(help="cuda, or cpu (days).")] = "cuda",
) -> None:
    """Train one checkpoint."""
    from sinkscope.zoo.recipes import find_recipe
    from sinkscope.zoo.train import run_training

    recipe = find_recipe(recipes, checkpoint)
    run_training(recipe, corpus, tokens, tokenizers, out, device, teacher)


@app.command()
def evaluate(
    recipes: Recipes,
    checkpoint: Checkpoint,
    trained: Annotated[Path, typer.Option(help="Folder of the trained checkpoint.")],
    corpus: Corpus,
    out: Out,
) -> None:
    """Measure on held-out text whether a checkpoint's sinks attach to the position or the token."""
    from sinkscope.zoo.evaluate import run_evaluation
    from sinkscope.zoo.recipes import find_recipe

    run_evaluation(find_recipe(recipes, checkpoint), trained, corpus, out)


@app.command()
def card(
    recipes: Recipes,
    checkpoint: Checkpoint,
    trained: Annotated[Path, typer.Option(help="Folder of the trained checkpoint.")],
    evaluation: Annotated[Path, typer.Option(help="The file that `evaluate` wrote.")],
    corpus: Corpus,
    out: Out,
) -> None:
    """Assemble a checkpoint's folder, with its card."""
    from sinkscope.zoo.card import write_folder
    from sinkscope.zoo.recipes import find_recipe

    write_folder(find_recipe(recipes, checkpoint), trained, evaluation, corpus, out)


@app.command()
def publish(
    folders: Annotated[list[Path], typer.Argument(help="Folders that `card` wrote.")],
    sources: Sources,
    out: Out,
) -> None:
    """Copy finished folders to the repository's zoo."""
    from sinkscope.zoo.card import publish as publish_folders

    publish_folders(folders, sources, out)
