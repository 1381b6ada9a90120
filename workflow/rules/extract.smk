# REQUIRED INPUTS: documents; weights of every model's source, hub models downloaded.
# OUTPUTS: results/shards/{model}/{shard}.json, which names the cells (results/cells/{model}/
#     {document}.safetensors) that the job made or found finished. Cells are no declared
#     outputs: those of a failed or repeated job are kept.


rule extract:
    """Run one model over one shard of documents and keep statistics of its attention."""
    input:
        documents=lambda wildcards: grid.paths(wildcards.shard),
        weights=weights,
        source=source("extract"),
    output:
        "results/shards/{model}/{shard}.json",
    log:
        "results/logs/extract/{model}/{shard}.log",
    benchmark:
        "results/benchmarks/extract/{model}/{shard}.tsv"
    threads: grid.config.raw["threads"]
    resources:
        mem_mb=asking(asks.mem_mb, "extract/{model}/{shard}"),
        runtime=asking(asks.minutes, "extract/{model}/{shard}"),
        gpu=gpus("extract/{model}/{shard}"),
    params:
        # What of the configuration concerns this job; another change leaves it alone.
        model=lambda wildcards: grid.model(wildcards.model),
        settings=lambda wildcards: grid.settings(wildcards.model),
        weights=weights_state,
        documents=lambda wildcards: grid.hashes(wildcards.shard),
    message:
        "Extracting {wildcards.model}, documents of shard {wildcards.shard}"
        " ({threads} threads, {resources.mem_mb} MB, {resources.gpu} GPUs)"
    shell:
        "sinkscope --log {log} extract --config results/config.yaml --model {wildcards.model}"
        " --shard {wildcards.shard} --out {output} 2>&1 | tee {log} >&2"
