# REQUIRED INPUTS: weights of every model's source; documents.
# OUTPUTS: results/experiments/second_sink/{model}/{shard}/, and of all models the tables second_sink,
#     second_sink_layers, second_sink_local, second_sink_states and second_sink_maps in
#     results/tables/; a section of the report.

SECOND_SINK = "results/experiments/second_sink/{model}/{shard}"

SECOND_SINK_TABLES = [
    "second_sink_layers",
    "second_sink",
    "second_sink_local",
    "second_sink_states",
    "second_sink_maps",
]

second_sink_parts = measured("second_sink")

if second_sink_parts:
    sections["second_sink"] = expand(
        "results/tables/{table}.parquet",
        table=["models", *SECOND_SINK_TABLES],
    )

if not grid.config.raw["partial"]:

    rule second_sink:
        """Look at the first terminator of every document as a second sink of one model."""
        input:
            documents=lambda wildcards: grid.paths(wildcards.shard),
            weights=weights,
            source=source("experiments") + source("extract"),
        output:
            directory(SECOND_SINK),
        log:
            "results/logs/second_sink/{model}/{shard}.log",
        benchmark:
            "results/benchmarks/second_sink/{model}/{shard}.tsv"
        threads: 1
        resources:
            mem_mb=asking(asks.mem_mb, "second_sink/{model}/{shard}"),
            runtime=asking(asks.experiment_minutes, "second_sink/{model}/{shard}"),
            gpu=gpus("second_sink/{model}/{shard}"),
        params:
            model=lambda wildcards: grid.model(wildcards.model),
            documents=lambda wildcards: grid.hashes(wildcards.shard),
            weights=weights_state,
            n_tokens=grid.config.raw["experiment_tokens"],
            n_shown=lambda wildcards: grid.n_shown(wildcards.shard),
        message:
            "Looking for the second sink of {wildcards.model}"
        shell:
            "sinkscope --log {log} measure second_sink --config results/config.yaml"
            " --model {wildcards.model} --shard {wildcards.shard} --out {output}"
            " 2>&1 | tee {log} >&2"


rule second_sink_tables:
    """Join what was seen of the second sinks of all models."""
    input:
        parts=second_sink_parts,
        source=source("reduce"),
    output:
        tables_of(SECOND_SINK_TABLES),
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
