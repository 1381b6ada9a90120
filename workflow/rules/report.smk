# REQUIRED INPUTS: results/tables/, reports/figures/, reports/sections/, reports/maps/, and the
#     manifests.
# OUTPUTS: reports/index.html, a page for every model, claims.html, and what they load.


rule report:
    """The report: index.html and a page for every model."""
    input:
        ancient(rules.tables.output),
        ancient([path for name in wanted.joins() for path in made_of(name)]),
        stamps([wanted.compare(), *map(wanted.figures, grid.cells)]),
        stamps(map(wanted.section, wanted.sections())),
        stamps(map(wanted.maps, grid.cells)),
        stamps(part for model in grid.cells for part in wanted.manifests(model)),
    output:
        "reports/index.html",
        expand("reports/{model}.html", model=grid.cells),
        ["reports/claims.html"] if "claims" in wanted.sections() else [],
        stamp=wanted.report().stamp,
    log:
        f"results/logs/{wanted.report().log}.log",
    benchmark:
        f"results/benchmarks/{wanted.report().log}.tsv"
    group:
        "report"
    params:
        request=wanted.report().json,
    message:
        "Writing the report"
    shell:
        "sinkscope --log {log} --stamp {output.stamp} --request {params.request:q}"
        " report 2>&1 | tee {log} >&2"
