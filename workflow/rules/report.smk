# REQUIRED INPUTS: results/tables/, results/figures/, results/sections/ and reports/maps/.
# OUTPUTS: reports/index.html, a page for every model, claims.html, and what they load.


rule report:
    """The report: index.html and a page for every model."""
    input:
        stamps(wanted.parts_of_report()),
    output:
        update(wanted.report().stamp),
    log:
        f"results/logs/{wanted.report().log}.log",
    benchmark:
        f"results/benchmarks/{wanted.report().log}.tsv"
    group:
        run.group
    params:
        job=wanted.report().arguments,
    message:
        "Writing the report"
    shell:
        JOB


# Snakemake asks of a file's name whether the file is there, and whether its inputs are what they
# were: so each file of a shared folder is an output of a rule whose input is the stamp.
for job, files in wanted.files().items():

    rule:
        name:
            f"{job}_files"
        input:
            stamps([wanted.of_job(job)]),
        output:
            update(files),
        log:
            f"results/logs/files/{job}.log",
        localrule: True
        message:
            f"The files of {job} are there"
        shell:
            "sinkscope --log {log} made {output:q} 2>&1 | tee {log} >&2"
