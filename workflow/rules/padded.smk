# REQUIRED INPUTS: results/shards/{model}/{shard}.json; weights of every model's source; documents.
# OUTPUTS: results/experiments/padded/{model}/: an encoder's part of the table
#     max_attention_tokens_padded; an empty folder for a decoder.

PADDED = "results/experiments/padded/{model}"

padded_parts = measured("padded")

if not grid.config.raw["partial"]:

    rule padded:
        """Count the max keys of one encoder with the queries at padding, as study 1 did."""
        input:
            manifests=manifests,
            weights=weights,
            source=source("experiments") + source("extract"),
        output:
            directory(PADDED),
        log:
            "results/logs/padded/{model}.log",
        benchmark:
            "results/benchmarks/padded/{model}.tsv"
        threads: 1
        resources:
            mem_mb=asking(asks.mem_mb, "padded/{model}"),
            runtime=asking(asks.padded_minutes, "padded/{model}"),
            gpu=gpus("padded/{model}"),
        params:
            model=lambda wildcards: grid.model(wildcards.model),
            weights=weights_state,
            truncate=grid.config.raw["truncate"],
        message:
            "Counting the max keys of {wildcards.model} with padding"
        shell:
            "sinkscope --log {log} padded {input.manifests} --config results/config.yaml"
            " --model {wildcards.model} --out {output} 2>&1 | tee {log} >&2"
