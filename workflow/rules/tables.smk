# REQUIRED INPUTS: results/shards/ and the cells that they name; results/experiments/; of the zoo's
#     models, training_log.parquet and evaluation.parquet; config/claims.yaml of the working
#     directory, else the one that is shipped.
# OUTPUTS: results/tables/: the tables of the atlas and of each experiment.

from sinkscope.experiments.declared import THRESHOLDS

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
        request=lambda wildcards: wanted.reduce(wildcards.model).json,
    message:
        "Reducing {wildcards.model}"
    shell:
        "sinkscope --log {log} --stamp {output} --request {params.request:q}"
        " reduce {input} 2>&1 | tee {log} >&2"


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
        "report"
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
        request=wanted.tables().json,
    message:
        "Joining the tables of all models"
    shell:
        "sinkscope --log {log} --stamp {output} --request {params.request:q}"
        " tables {input} 2>&1 | tee {log} >&2"


for experiment in filter(THRESHOLDS.__contains__, wanted.joins()):

    rule:
        name:
            f"{experiment}_tables"
        input:
            # Induction heads stand beside the heads of the atlas.
            atlas=stamps([wanted.tables()]) if experiment == "induction" else [],
            parts=stamps(wanted.measured(experiment)),
        output:
            update(wanted.join(experiment).stamp),
        log:
            f"results/logs/{wanted.join(experiment).log}.log",
        benchmark:
            f"results/benchmarks/{wanted.join(experiment).log}.tsv"
        group:
            "report"
        params:
            experiment=experiment,
            request=wanted.join(experiment).json,
        message:
            "Joining the tables of {params.experiment}"
        shell:
            "sinkscope --log {log} --stamp {output} --request {params.request:q}"
            " join {params.experiment} {input.parts} 2>&1 | tee {log} >&2"


if "emergence" in wanted.joins():

    rule emergence_tables:
        """Join what the training of the zoo's models recorded."""
        input:
            [path for paths in wanted.records().values() for path in paths],
        output:
            update(wanted.join("emergence").stamp),
        log:
            f"results/logs/{wanted.join('emergence').log}.log",
        benchmark:
            f"results/benchmarks/{wanted.join('emergence').log}.tsv"
        group:
            "report"
        params:
            checkpoints=[f"{model}={path}" for model, path in wanted.trained().items()],
            request=wanted.join("emergence").json,
        message:
            "Joining the records of training of the zoo's models"
        shell:
            "sinkscope --log {log} --stamp {output} --request {params.request:q}"
            " emergence {params.checkpoints:q} 2>&1 | tee {log} >&2"


if "claims" in wanted.joins():

    rule claims_tables:
        """Say of every claim of the studies whether it holds in this run."""
        input:
            claims=wanted.claims_file(),
            tables=stamps([wanted.tables(), *map(wanted.join, wanted.joins()[:-1])]),
        output:
            update(wanted.join("claims").stamp),
        log:
            f"results/logs/{wanted.join('claims').log}.log",
        benchmark:
            f"results/benchmarks/{wanted.join('claims').log}.tsv"
        group:
            "report"
        params:
            names=wanted.tables_of_claims(),
            request=wanted.join("claims").json,
        message:
            "Comparing with what the studies claim"
        shell:
            "sinkscope --log {log} --stamp {output} --request {params.request:q}"
            " claims {input.claims:q} {params.names} 2>&1 | tee {log} >&2"
