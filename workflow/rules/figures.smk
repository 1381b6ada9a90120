# REQUIRED INPUTS: results/tables/; for heat maps, the cells.
# OUTPUTS: reports/figures/: Vega-Lite, SVG, PNG and CSV of every figure, in a folder for each
#     model and one (all) that compares them; the same in reports/sections/ for every experiment;
#     reports/maps/{model}: heat maps of every layer.


rule figures:
    """Figures of one model."""
    input:
        tables=rules.tables.output,
        source=source("charts"),
    output:
        directory("reports/figures/{model}"),
    log:
        "results/logs/figures/{model}.log",
    benchmark:
        "results/benchmarks/figures/{model}.tsv"
    group:
        "report"
    params:
        documents=grid.shown_documents(),
    message:
        "Drawing the figures of {wildcards.model}"
    shell:
        "sinkscope --log {log} figures {params.documents} --model {wildcards.model}"
        " --tables results/tables --out {output} 2>&1 | tee {log} >&2"


rule compare:
    """Figures that compare all models."""
    input:
        tables=rules.tables.output,
        source=source("charts"),
    output:
        directory("reports/figures/all"),
    log:
        "results/logs/figures/all.log",
    benchmark:
        "results/benchmarks/figures/all.tsv"
    group:
        "report"
    message:
        "Drawing the figures of all models"
    shell:
        "sinkscope --log {log}"
        " figures --tables results/tables --out {output} 2>&1 | tee {log} >&2"


ruleorder: compare > figures


rule section:
    """Figures of a section that an experiment adds to the report."""
    input:
        tables=lambda wildcards: sections[wildcards.section],
        source=source("charts"),
    output:
        directory("reports/sections/{section}"),
    log:
        "results/logs/sections/{section}.log",
    benchmark:
        "results/benchmarks/sections/{section}.tsv"
    group:
        "report"
    message:
        "Drawing the section {wildcards.section}"
    shell:
        "sinkscope --log {log}"
        " section {wildcards.section} --tables results/tables --out {output}"
        " 2>&1 | tee {log} >&2"


rule maps:
    """Heat maps of every layer of one model, for the first documents of the table."""
    input:
        manifests=manifests,
        source=source("charts"),
    output:
        directory("reports/maps/{model}"),
    log:
        "results/logs/maps/{model}.log",
    benchmark:
        "results/benchmarks/maps/{model}.tsv"
    group:
        "report"
    params:
        documents=grid.config.raw["documents_in_report"],
    message:
        "Drawing the heat maps of {wildcards.model}"
    shell:
        "sinkscope --log {log}"
        " maps {input.manifests} --documents {params.documents} --out {output}"
        " 2>&1 | tee {log} >&2"
