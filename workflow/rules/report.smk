# REQUIRED INPUTS: results/tables/, reports/figures/, reports/sections/, reports/maps/, and the
#     manifests.
# OUTPUTS: reports/index.html, a page for every model, claims.html, and what they load.


rule report:
    """The report: index.html and a page for every model."""
    input:
        tables=rules.tables.output,
        figures=expand("reports/figures/{scope}", scope=["all", *shards]),
        sections=expand("reports/sections/{section}", section=sections),
        tables_of_sections=[path for paths in sections.values() for path in paths],
        maps=expand("reports/maps/{model}", model=shards),
        manifests=[
            f"results/shards/{model}/{shard}.json"
            for model, names in shards.items()
            for shard in names
        ],
        source=source("report"),
    output:
        "reports/index.html",
        expand("reports/{model}.html", model=shards),
        ["reports/claims.html"] if "claims" in sections else [],
        directory("reports/assets"),
        directory("reports/data"),
    log:
        "results/logs/report.log",
    benchmark:
        "results/benchmarks/report.tsv"
    group:
        "report"
    params:
        config=lambda wildcards: grid.snapshot(),  # its braces are no wildcards
        commit=commit(Path(workflow.basedir)),
        # A cell that is expected and missing is listed, so a report depends on both.
        expected=grid.expected(),
        sections=list(sections),
    message:
        "Writing the report"
    shell:
        "sinkscope --log {log}"
        " report {params.sections} --config results/config.yaml --out reports"
        " --commit {params.commit:q} 2>&1 | tee {log} >&2"
