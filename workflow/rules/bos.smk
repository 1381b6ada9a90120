# REQUIRED INPUTS: weights of every model's source; documents.
# OUTPUTS: results/experiments/bos/{model}/{shard}/, and of all models the tables bos and
#     position_content in results/tables/; a section of the report.

BOS = "results/experiments/bos/{model}/{shard}"

bos_parts = measured("bos")

if bos_parts:
    sections["bos"] = expand(
        "results/tables/{table}.parquet", table=["models", *JOINED["bos"]]
    )

if not grid.config.raw["partial"]:

    rule bos:
        """Run one model with and without special tokens, and with other beginnings."""
        input:
            documents=lambda wildcards: grid.paths(wildcards.shard),
            weights=weights,
            source=source("experiments") + source("extract"),
        output:
            directory(BOS),
        log:
            "results/logs/bos/{model}/{shard}.log",
        benchmark:
            "results/benchmarks/bos/{model}/{shard}.tsv"
        threads: 1
        resources:
            mem_mb=asking(asks.mem_mb, "bos/{model}/{shard}"),
            runtime=asking(asks.experiment_minutes, "bos/{model}/{shard}"),
            gpu=gpus("bos/{model}/{shard}"),
        params:
            model=lambda wildcards: grid.model(wildcards.model),
            documents=lambda wildcards: grid.hashes(wildcards.shard),
            weights=weights_state,
            n_tokens=grid.config.raw["experiment_tokens"],
        message:
            "Changing the beginnings of texts for {wildcards.model}"
        shell:
            "sinkscope --log {log} measure bos --config results/config.yaml"
            " --model {wildcards.model} --shard {wildcards.shard} --out {output}"
            " 2>&1 | tee {log} >&2"


rule bos_tables:
    """Join what was seen of the beginnings of all models."""
    input:
        parts=bos_parts,
        source=source("reduce"),
    output:
        tables_of(JOINED["bos"]),
    log:
        "results/logs/bos.log",
    benchmark:
        "results/benchmarks/bos.tsv"
    group:
        "report"
    message:
        "Joining what the beginnings of texts hold in all models"
    shell:
        "sinkscope --log {log}"
        " join bos {input.parts} --tables results/tables 2>&1 | tee {log} >&2"
