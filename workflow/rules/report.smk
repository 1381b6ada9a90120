# REQUIRED INPUTS: results/tables/, reports/figures/, reports/maps/, and the manifests.
# OUTPUTS: reports/index.html, a page for every model, and what they load.


rule report:
    """The report: index.html and a page for every model."""
    input:
        config="results/config.yaml",
        tables=rules.tables.output,
        figures=expand("reports/figures/{scope}", scope=["all", *finished]),
        maps=expand("reports/maps/{model}", model=finished),
        manifests=[
            f"results/shards/{model}/{shard}.json"
            for model, shards in finished.items()
            for shard in shards
        ],
        source=source("report"),
    output:
        "reports/index.html",
        expand("reports/{model}.html", model=finished),
        directory("reports/assets"),
        directory("reports/data"),
    log:
        "results/logs/report.log",
    benchmark:
        "results/benchmarks/report.tsv"
    params:
        commit=commit(Path(workflow.basedir)),
        # A cell that is expected and missing is listed, so a report depends on both.
        expected=grid.expected(),
    message:
        "Writing the report"
    shell:
        "sinkscope report --config {input.config} --commit {params.commit:q} --out reports"
        " 2>&1 | tee {log} >&2"
