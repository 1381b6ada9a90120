# REQUIRED INPUTS: weights of every model's source; documents.
# OUTPUTS: results/experiments/{experiment}/{model}/{shard}/: what an experiment measured of one
#     model, over one shard of documents, or (all) over what it reads of all.

MEASURE = "{experiment}/{model}/{shard}.{digest}"


rule measure:
    """Run one model for one experiment."""
    input:
        weights=weights,
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
        request=lambda wildcards: wanted.measure(
            wildcards.experiment, wildcards.model, wildcards.shard
        ).json,
        documents=grid.config.raw["documents"],
        per_job=grid.config.raw["documents_per_job"],
    message:
        "Measuring {wildcards.experiment} of {wildcards.model}, documents: {wildcards.shard}"
    shell:
        "sinkscope --log {log} --stamp {output} --request {params.request:q}"
        " measure --documents {params.documents:q} --per-job {params.per_job}"
        " --shard {wildcards.shard} 2>&1 | tee {log} >&2"
