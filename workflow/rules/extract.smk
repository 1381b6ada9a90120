# REQUIRED INPUTS: documents; weights of every model's source, hub models downloaded.
# OUTPUTS: results/shards/{model}/{shard}.{digest}.json, which names the cells (results/cells/
#     {model}/{document}.safetensors) that the job made or found finished. Cells are no declared
#     outputs: those of a failed or repeated job are kept.

EXTRACT = "extract/{model}/{shard}.{digest}"


rule extract:
    """Run one model over one shard of documents and keep statistics of its attention."""
    input:
        weights=weights,
    output:
        update("results/shards/{model}/{shard}.{digest}.json"),
    log:
        f"results/logs/{EXTRACT}.log",
    benchmark:
        f"results/benchmarks/{EXTRACT}.tsv"
    threads: grid.config.raw["threads"]
    resources:
        mem_mb=asking(lambda job, attempt: asks.mem_mb(job.model, attempt), EXTRACT),
        runtime=asking(lambda job, attempt: asks.minutes(job.model, attempt), EXTRACT),
        gpu=gpus(EXTRACT),
    params:
        job=lambda wildcards: wanted.extract(wildcards.model, wildcards.shard).arguments,
    message:
        "Extracting {wildcards.model}, documents of shard {wildcards.shard}"
        " ({threads} threads, {resources.mem_mb} MB, {resources.gpu} GPUs)"
    shell:
        JOB
