# REQUIRED INPUTS: for what is not in the hub's cache (HF_HOME) yet, a network.
# OUTPUTS: config/lock/{repository}.json, the commit and files that are used of a hub model, made
#     once and to be kept; results/hub/{repository}.json, when these files are in the cache.
#
# Both run where snakemake was started, not on compute nodes, which need no network then:
# `snakemake downloads` makes everything ready.


rule downloads:
    """Download every hub model of the grid."""
    input:
        expand("results/hub/{repository}.json", repository=grid.repositories()),


rule lock:
    """Write down which commit of a hub model is used; one that is written down stays."""
    output:
        update("config/lock/{repository}.json"),
    log:
        "results/logs/lock/{repository}.log",
    benchmark:
        "results/benchmarks/lock/{repository}.tsv"
    localrule: True
    params:
        source=lambda wildcards: grid.source(wildcards.repository),
    message:
        "Asking the hub for the commit of {wildcards.repository}"
    shell:
        "sinkscope --log {log} lock {params.source:q} 2>&1 | tee {log} >&2"


rule download:
    """Download the locked commit of a hub model; what is in the cache stays."""
    input:
        lock=rules.lock.output,
    output:
        "results/hub/{repository}.json",
    log:
        "results/logs/download/{repository}.log",
    benchmark:
        "results/benchmarks/download/{repository}.tsv"
    localrule: True
    params:
        source=lambda wildcards: grid.source(wildcards.repository),
    message:
        "Downloading {wildcards.repository}"
    shell:
        "sinkscope --log {log} download {params.source:q} --out {output} 2>&1 | tee {log} >&2"
