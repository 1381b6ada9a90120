# REQUIRED INPUTS: weights of every model's source; documents; results/tables/heads.
# OUTPUTS: results/experiments/induction/{model}/, and of all models results/tables/induction
#     and results/tables/induction_patterns; a section of the report.

INDUCTION = "results/experiments/induction/{model}"

induction_parts = measured("induction")

if induction_parts:
    sections["induction"] = expand(
        "results/tables/{table}.parquet",
        table=["models", "induction", "induction_patterns"],
    )

if not grid.config.raw["partial"]:

    rule induction:
        """Find the induction heads of one model on repeated random tokens."""
        input:
            documents=grid.ordinary_text().path,
            weights=weights,
            source=source("experiments") + source("extract"),
        output:
            directory(INDUCTION),
        log:
            "results/logs/induction/{model}.log",
        benchmark:
            "results/benchmarks/induction/{model}.tsv"
        threads: 1
        resources:
            mem_mb=asking(asks.mem_mb, "induction/{model}"),
            runtime=asking(asks.experiment_minutes, "induction/{model}"),
            gpu=gpus("induction/{model}"),
        params:
            model=lambda wildcards: grid.model(wildcards.model),
            document=grid.ordinary_text().sha256,
            weights=weights_state,
            settings=[
                grid.config.raw[key] for key in ("induction_tokens", "induction_seeds")
            ],
        message:
            "Looking for induction heads in {wildcards.model}"
        shell:
            "sinkscope --log {log}"
            " measure induction --config results/config.yaml --model {wildcards.model}"
            " --out {output} 2>&1 | tee {log} >&2"


rule induction_tables:
    """Join the induction heads of all models, with their attention on ordinary text."""
    input:
        parts=induction_parts,
        heads="results/tables/heads.parquet",
        source=source("reduce"),
    output:
        "results/tables/induction.parquet",
        "results/tables/induction.csv",
        "results/tables/induction_patterns.parquet",
    log:
        "results/logs/induction.log",
    benchmark:
        "results/benchmarks/induction.tsv"
    group:
        "report"
    params:
        threshold=grid.config.raw["induction_threshold"],
    message:
        "Joining the induction heads of all models"
    shell:
        "sinkscope --log {log} induction-tables {input.parts} --tables results/tables"
        " --threshold {params.threshold} 2>&1 | tee {log} >&2"
