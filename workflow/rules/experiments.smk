# REQUIRED INPUTS: weights of every model's source; documents; results/tables/ of the atlas; of models
#     whose training was recorded, the records in the folders of their checkpoints.
# OUTPUTS: of every experiment that is declared in sinkscope/experiments:
#     results/experiments/{experiment}/{model}/{shard}/, what was measured of one model, over one
#     shard of documents, or (all) over what it reads of all; its tables in results/tables/; the
#     figures of its sections in results/sections/.

MEASURE = "{experiment}/{model}/{shard}.{digest}"


# The job that loads a model also measures what others will ask of it in this run, which are then
# done before they start Python.
rule measure:
    """Run one model for one experiment."""
    input:
        weights=weights_to_measure,
    output:
        update("results/experiments/{experiment}/{model}/{shard}/made.{digest}.json"),
    log:
        f"results/logs/{MEASURE}.log",
    benchmark:
        f"results/benchmarks/{MEASURE}.tsv"
    threads: 1
    resources:
        mem_mb=asking(lambda job, attempt: asks.mem_mb(job.model, attempt), MEASURE),
        runtime=asking(
            lambda job, attempt: asks.measure_minutes(
                job.experiment, job.model, attempt
            ),
            MEASURE,
        ),
        gpu=gpus(MEASURE),
    params:
        job=lambda wildcards: wanted.measure(
            wildcards.experiment, wildcards.model, wildcards.shard
        ).arguments,
    message:
        "Measuring {wildcards.experiment} of {wildcards.model}, documents: {wildcards.shard}"
    shell:
        "[ {output} -nt results/logs/run ] || "
        "sinkscope measure --log {log} --stamp {output} {params.job:q} 2>&1 | tee {log} >&2"


for experiment in wanted.derived():

    rule:
        name:
            f"{experiment}_tables"
        input:
            beside=stamps(wanted.beside(experiment)),
            parts=stamps(wanted.measured(experiment)),
            records=[
                path for paths in wanted.records(experiment).values() for path in paths
            ],
        output:
            update(wanted.join(experiment).stamp),
        log:
            f"results/logs/{wanted.join(experiment).log}.log",
        benchmark:
            f"results/benchmarks/{wanted.join(experiment).log}.tsv"
        group:
            run.group
        params:
            experiment=experiment,
            job=wanted.join(experiment).arguments,
        message:
            "Deriving the tables of {params.experiment}"
        shell:
            JOB


for section in wanted.sections():

    rule:
        name:
            f"section_{section}"
        input:
            stamps(wanted.parts_of_section(section)),
        output:
            update(wanted.section(section).stamp),
        log:
            f"results/logs/{wanted.section(section).log}.log",
        benchmark:
            f"results/benchmarks/{wanted.section(section).log}.tsv"
        group:
            run.group
        params:
            section=section,
            job=wanted.section(section).arguments,
        message:
            "Drawing the section {params.section}"
        shell:
            JOB
