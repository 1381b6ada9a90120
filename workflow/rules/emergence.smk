# REQUIRED INPUTS: training_log.parquet and evaluation.parquet of the zoo's models in the grid
#     (zoo/NAME/ of the repository); without such models, nothing is made.
# OUTPUTS: results/tables/emergence and results/tables/attachment; two sections of the report,
#     drawn by the rule section: emergence and alternatives.

from sinkscope.reduce.emergence import RECORDS, recorded

trained = recorded(grid.config.models)

if trained and "emergence" in grid.config.raw["experiments"]:
    sections["emergence"] = expand("results/tables/{table}.parquet", table=RECORDS)
    sections["alternatives"] = ["results/tables/emergence.parquet"]


rule emergence:
    """Join what the training of the zoo's models recorded."""
    input:
        records=expand(
            "{folder}/{record}", folder=trained.values(), record=RECORDS.values()
        ),
        source=source("reduce"),
    output:
        expand("results/tables/{table}.{kind}", table=RECORDS, kind=["parquet", "csv"]),
    log:
        "results/logs/emergence.log",
    benchmark:
        "results/benchmarks/emergence.tsv"
    group:
        "report"
    params:
        checkpoints=[f"{model}={folder}" for model, folder in trained.items()],
    message:
        "Joining the records of training of the zoo's models"
    shell:
        "sinkscope --log {log}"
        " emergence {params.checkpoints:q} --out results/tables 2>&1 | tee {log} >&2"
