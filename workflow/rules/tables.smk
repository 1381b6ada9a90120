# REQUIRED INPUTS: results/shards/ and the cells that they name; of experiments that feed the atlas,
#     what they measured.
# OUTPUTS: results/tables/: the tables of the atlas.

REDUCE = "reduce/{model}.{digest}"


rule reduce:
    """Reduce the cells of one model to its part of every table."""
    input:
        manifests,
    output:
        update("results/reduced/{model}/made.{digest}.json"),
    log:
        f"results/logs/{REDUCE}.log",
    benchmark:
        f"results/benchmarks/{REDUCE}.tsv"
    resources:
        mem_mb=asking(lambda job, attempt: asks.tables_mb(1, attempt), REDUCE),
        runtime=asking(lambda job, attempt: asks.tables_minutes(1, attempt), REDUCE),
    params:
        job=lambda wildcards: wanted.reduce(wildcards.model).arguments,
    message:
        "Reducing {wildcards.model}"
    shell:
        JOB


rule tables:
    """Join the parts of all models to the tables."""
    input:
        stamps(wanted.parts_of_tables()),
    output:
        update(wanted.tables().stamp),
    log:
        f"results/logs/{wanted.tables().log}.log",
    benchmark:
        f"results/benchmarks/{wanted.tables().log}.tsv"
    group:
        run.group
    resources:
        mem_mb=asking(
            lambda job, attempt: asks.tables_mb(len(grid.cells), attempt),
            wanted.tables().log,
        ),
        runtime=asking(
            lambda job, attempt: asks.tables_minutes(len(grid.cells), attempt),
            wanted.tables().log,
        ),
    params:
        job=wanted.tables().arguments,
    message:
        "Joining the tables of all models"
    shell:
        JOB
