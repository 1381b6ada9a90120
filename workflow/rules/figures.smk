# REQUIRED INPUTS: results/tables/; for heat maps, the cells.
# OUTPUTS: results/figures/: Vega-Lite, SVG, PNG and CSV of every figure of the atlas, in a folder for
#     each model and one (all) that compares them; reports/maps/{model}: heat maps of every layer;
#     results/tables/findings.parquet, the numbers in the sentences of all figures.

FIGURES, MAPS = "figures/{model}.{digest}", "maps/{model}.{digest}"


rule figures:
    """Figures of one model."""
    input:
        stamps([wanted.tables()]),
    output:
        update("results/figures/{model}/made.{digest}.json"),
    log:
        f"results/logs/{FIGURES}.log",
    benchmark:
        f"results/benchmarks/{FIGURES}.tsv"
    group:
        run.group
    params:
        job=lambda wildcards: wanted.figures(wildcards.model).arguments,
    message:
        "Drawing the figures of {wildcards.model}"
    shell:
        JOB


rule compare:
    """Figures that compare all models."""
    input:
        stamps([wanted.tables()]),
    output:
        update(wanted.compare().stamp),
    log:
        f"results/logs/{wanted.compare().log}.log",
    benchmark:
        f"results/benchmarks/{wanted.compare().log}.tsv"
    group:
        run.group
    params:
        job=wanted.compare().arguments,
    message:
        "Drawing the figures of all models"
    shell:
        JOB


ruleorder: compare > figures


rule maps:
    """Heat maps of every layer of one model, for the first documents of the table."""
    input:
        manifests,
    output:
        update("reports/maps/{model}/made.{digest}.json"),
    log:
        f"results/logs/{MAPS}.log",
    benchmark:
        f"results/benchmarks/{MAPS}.tsv"
    group:
        run.group
    params:
        job=lambda wildcards: wanted.maps(wildcards.model).arguments,
    message:
        "Drawing the heat maps of {wildcards.model}"
    shell:
        JOB


rule findings:
    """Join the numbers in the sentences of all figures."""
    input:
        stamps(wanted.figures_of_run()),
    output:
        update(wanted.findings().stamp),
    log:
        f"results/logs/{wanted.findings().log}.log",
    benchmark:
        f"results/benchmarks/{wanted.findings().log}.tsv"
    group:
        run.group
    params:
        job=wanted.findings().arguments,
    message:
        "Joining the findings of all figures"
    shell:
        JOB
