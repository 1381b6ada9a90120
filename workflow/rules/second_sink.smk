# REQUIRED INPUTS: weights of every model's source; documents.
# OUTPUTS: results/experiments/second_sink/{model}/, and of all models the tables second_sink,
#     second_sink_layers, second_sink_local, second_sink_states and second_sink_maps in
#     results/tables/; a section of the report.

SECOND_SINK = "results/experiments/second_sink/{model}"

second_sink_models = measured("second_sink")

if second_sink_models:
    sections["second_sink"] = expand(
        "results/tables/{table}.parquet",
        table=["models", "second_sink_layers", *JOINED["second_sink"]],
    )

if not grid.config.raw["partial"]:

    rule second_sink:
        """Look at the first terminator of every document as a second sink of one model."""
        input:
            documents=all_documents(),
            weights=weights,
            source=source("experiments") + source("extract"),
        output:
            directory(SECOND_SINK),
        log:
            "results/logs/second_sink/{model}.log",
        benchmark:
            "results/benchmarks/second_sink/{model}.tsv"
        threads: 1
        resources:
            mem_mb=asking(asks.mem_mb, "second_sink/{model}"),
            runtime=asking(asks.experiment_minutes, "second_sink/{model}"),
            gpu=gpus("second_sink/{model}"),
        params:
            model=lambda wildcards: grid.model(wildcards.model),
            hashes=all_hashes(),
            settings=[
                grid.config.raw[key]
                for key in ("experiment_tokens", "documents_in_report")
            ],
        message:
            "Looking for the second sink of {wildcards.model}"
        shell:
            "sinkscope --log {log} measure second_sink --config results/config.yaml"
            " --model {wildcards.model} --out {output}"
            " 2>&1 | tee {log} >&2"


rule second_sink_tables:
    """Join what was seen of the second sinks of all models."""
    input:
        parts=expand(SECOND_SINK, model=second_sink_models),
        source=source("reduce"),
    output:
        joined_tables("second_sink"),
        "results/tables/second_sink_layers.parquet",
        "results/tables/second_sink_layers.csv",
    log:
        "results/logs/second_sink.log",
    benchmark:
        "results/benchmarks/second_sink.tsv"
    group:
        "report"
    params:
        threshold=grid.config.raw["second_sink_mass"],
    message:
        "Joining the second sinks of all models"
    shell:
        "sinkscope --log {log} second-sink-tables {input.parts} --tables results/tables"
        " --threshold {params.threshold} 2>&1 | tee {log} >&2"
