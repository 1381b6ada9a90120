# REQUIRED INPUTS: weights of every model's source; documents.
# OUTPUTS: results/experiments/norms/{model}/{shard}/, and of all models the tables norms, norm_ratios,
#     norm_weighted and activations in results/tables/; a section of the report.

NORMS = "results/experiments/norms/{model}/{shard}"

norms_parts = measured("norms")

if norms_parts:
    sections["norms"] = expand(
        "results/tables/{table}.parquet", table=["models", *JOINED["norms"]]
    )

if not grid.config.raw["partial"]:

    rule norms:
        """Measure the norms of what enters every layer of one model."""
        input:
            documents=lambda wildcards: grid.paths(wildcards.shard),
            weights=weights,
            source=source("experiments") + source("extract"),
        output:
            directory(NORMS),
        log:
            "results/logs/norms/{model}/{shard}.log",
        benchmark:
            "results/benchmarks/norms/{model}/{shard}.tsv"
        threads: 1
        resources:
            mem_mb=asking(asks.mem_mb, "norms/{model}/{shard}"),
            runtime=asking(asks.experiment_minutes, "norms/{model}/{shard}"),
            gpu=gpus("norms/{model}/{shard}"),
        params:
            model=lambda wildcards: grid.model(wildcards.model),
            documents=lambda wildcards: grid.hashes(wildcards.shard),
            weights=weights_state,
            n_tokens=grid.config.raw["experiment_tokens"],
            n_shown=lambda wildcards: grid.n_shown(wildcards.shard),
        message:
            "Measuring what sinks carry in {wildcards.model}"
        shell:
            "sinkscope --log {log} measure norms --config results/config.yaml"
            " --model {wildcards.model} --shard {wildcards.shard} --out {output}"
            " 2>&1 | tee {log} >&2"


rule norms_tables:
    """Join the norms of all models."""
    input:
        parts=norms_parts,
        source=source("reduce"),
    output:
        tables_of(JOINED["norms"]),
    log:
        "results/logs/norms.log",
    benchmark:
        "results/benchmarks/norms.tsv"
    group:
        "report"
    message:
        "Joining the norms of all models"
    shell:
        "sinkscope --log {log}"
        " join norms {input.parts} --tables results/tables 2>&1 | tee {log} >&2"
