# REQUIRED INPUTS: weights of every model's source; documents.
# OUTPUTS: results/experiments/norms/{model}/, and of all models the tables norms, norm_ratios,
#     norm_weighted and activations in results/tables/; a section of the report.

NORMS = "results/experiments/norms/{model}"

norms_models = measured("norms")

if norms_models:
    sections["norms"] = expand(
        "results/tables/{table}.parquet", table=["models", *JOINED["norms"]]
    )

if not grid.config.raw["partial"]:

    rule norms:
        """Measure the norms of what enters every layer of one model."""
        input:
            documents=all_documents(),
            weights=weights,
            source=source("experiments") + source("extract"),
        output:
            directory(NORMS),
        log:
            "results/logs/norms/{model}.log",
        benchmark:
            "results/benchmarks/norms/{model}.tsv"
        threads: 1
        resources:
            mem_mb=asking(asks.mem_mb, "norms/{model}"),
            runtime=asking(asks.experiment_minutes, "norms/{model}"),
            gpu=gpus("norms/{model}"),
        params:
            model=lambda wildcards: grid.model(wildcards.model),
            hashes=all_hashes(),
            settings=[
                grid.config.raw[key]
                for key in ("experiment_tokens", "documents_in_report")
            ],
        message:
            "Measuring what sinks carry in {wildcards.model}"
        shell:
            "sinkscope --log {log} measure norms --config results/config.yaml"
            " --model {wildcards.model} --out {output}"
            " 2>&1 | tee {log} >&2"


rule norms_tables:
    """Join the norms of all models."""
    input:
        parts=expand(NORMS, model=norms_models),
        source=source("reduce"),
    output:
        joined_tables("norms"),
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
