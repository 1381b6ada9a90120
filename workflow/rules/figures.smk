# REQUIRED INPUTS: results/tables/; for heat maps, the cells.
# OUTPUTS: reports/figures/: Vega-Lite, SVG, PNG and CSV of every figure, in a folder for each
#     model and one (all) that compares them; the same in reports/sections/ for every experiment;
#     reports/maps/{model}: heat maps of every layer.

FIGURES, MAPS = "figures/{model}.{digest}", "maps/{model}.{digest}"


rule figures:
    """Figures of one model."""
    input:
        stamps([wanted.tables()]),
    output:
        update("reports/figures/{model}/made.{digest}.json"),
    log:
        f"results/logs/{FIGURES}.log",
    benchmark:
        f"results/benchmarks/{FIGURES}.tsv"
    group:
        "report"
    params:
        request=lambda wildcards: wanted.figures(wildcards.model).json,
    message:
        "Drawing the figures of {wildcards.model}"
    shell:
        "sinkscope --log {log} --stamp {output} --request {params.request:q}"
        " figures --model {wildcards.model} 2>&1 | tee {log} >&2"


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
        "report"
    params:
        request=wanted.compare().json,
    message:
        "Drawing the figures of all models"
    shell:
        "sinkscope --log {log} --stamp {output} --request {params.request:q}"
        " figures 2>&1 | tee {log} >&2"


ruleorder: compare > figures


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
            "report"
        params:
            section=section,
            request=wanted.section(section).json,
        message:
            "Drawing the section {params.section}"
        shell:
            "sinkscope --log {log} --stamp {output} --request {params.request:q}"
            " section {params.section} 2>&1 | tee {log} >&2"


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
        "report"
    params:
        request=lambda wildcards: wanted.maps(wildcards.model).json,
    message:
        "Drawing the heat maps of {wildcards.model}"
    shell:
        "sinkscope --log {log} --stamp {output} --request {params.request:q}"
        " maps {input} 2>&1 | tee {log} >&2"
