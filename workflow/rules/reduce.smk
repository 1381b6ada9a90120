# REQUIRED INPUTS: results/shards/{model}/{shard}.json and the cells they name.
# OUTPUTS: results/tables/: the tables of all models.

TABLE_PARTS = expand(
    "results/reduced/{{model}}/{table}.parquet",
    table=OF_MODEL,
)


rule reduce:
    """Reduce the cells of one model to its part of every table."""
    input:
        manifests=manifests,
        source=source("reduce"),
    output:
        TABLE_PARTS,
    log:
        "results/logs/reduce/{model}.log",
    benchmark:
        "results/benchmarks/reduce/{model}.tsv"
    resources:
        mem_mb=lambda wildcards, attempt: asks.tables_mb(
            1, attempt_of("reduce/{model}", wildcards, attempt)
        ),
        runtime=lambda wildcards, attempt: asks.tables_minutes(
            1, attempt_of("reduce/{model}", wildcards, attempt)
        ),
    params:
        out=lambda wildcards: f"results/reduced/{wildcards.model}",
        epsilon=grid.config.raw["epsilon"],
    message:
        "Reducing {wildcards.model}"
    shell:
        "sinkscope --log {log}"
        " reduce {input.manifests} --out {params.out} --epsilon {params.epsilon}"
        " 2>&1 | tee {log} >&2"


rule tables:
    """Join the parts of all models to the tables."""
    input:
        parts=expand(TABLE_PARTS, model=shards),
        padded=padded_parts,
        source=source("reduce"),
    output:
        expand("results/tables/{table}.parquet", table=TABLES),
        expand("results/tables/{table}.csv", table=SMALL_TABLES),
    log:
        "results/logs/tables.log",
    benchmark:
        "results/benchmarks/tables.tsv"
    group:
        "report"
    resources:
        mem_mb=lambda wildcards, attempt: asks.tables_mb(
            len(shards), attempt_of("tables", wildcards, attempt)
        ),
        runtime=lambda wildcards, attempt: asks.tables_minutes(
            len(shards), attempt_of("tables", wildcards, attempt)
        ),
    params:
        parts=expand("results/reduced/{model}", model=shards) + padded_parts,
    message:
        "Joining the tables of all models"
    shell:
        "sinkscope --log {log} tables {params.parts} --out results/tables 2>&1 | tee {log} >&2"
