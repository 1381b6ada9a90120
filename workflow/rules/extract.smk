# REQUIRED INPUTS: documents; weights of every model's source.
# OUTPUTS: results/shards/{model}/{shard}.json, which names the cells (results/cells/{model}/
#     {document}.safetensors) that the job made or found finished. Cells are no declared
#     outputs: those of a failed or repeated job are kept.


localrules:
    snapshot,


rule snapshot:
    """The merged configuration, for the stages and for the report."""
    output:
        "results/config.yaml",
    log:
        "results/logs/snapshot.log",
    params:
        text=grid.snapshot(),
    message:
        "Writing the merged configuration"
    shell:
        "printf %s {params.text:q} > {output} 2> {log}"


rule extract:
    """Run one model over one shard of documents and keep statistics of its attention."""
    input:
        documents=lambda wildcards: grid.paths(wildcards.shard),
        # What of it concerns this job is in params.job; another change leaves it alone.
        config=ancient("results/config.yaml"),
        source=source("extract"),
    output:
        "results/shards/{model}/{shard}.json",
    log:
        "results/logs/extract/{model}/{shard}.log",
    benchmark:
        "results/benchmarks/extract/{model}/{shard}.tsv"
    params:
        job=lambda wildcards: grid.job(wildcards.model, wildcards.shard),
    threads: grid.config.raw["threads"]
    resources:
        mem_mb=grid.config.raw["mem_mb"],
        gpu=lambda wildcards: grid.n_gpus(wildcards.model),
    message:
        "Extracting {wildcards.model}, documents of shard {wildcards.shard}"
    shell:
        "sinkscope extract --config {input.config} --model {wildcards.model}"
        " --shard {wildcards.shard} --threads {threads} --out {output} 2>&1 | tee {log} >&2"
