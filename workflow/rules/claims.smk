# REQUIRED INPUTS: config/claims.yaml of the working directory, else of the clone; all tables of the
#     run, so that this file is included after those of the experiments.
# OUTPUTS: results/tables/claims; a section of the report with a page of its own, claims.html.

from sinkscope.reduce.claim_file import read_claims
from sinkscope.shipped import SHIPPED

CLAIMS = next(
    path
    for path in (
        Path("config/claims.yaml"),
        SHIPPED / "config/claims.yaml",
    )
    if path.is_file() or path.is_absolute()
)

if "claims" in grid.config.raw["experiments"]:
    if workflow.is_main_process:
        try:
            read_claims(CLAIMS)
        except SinkscopeError as error:
            sys.exit(sentences(error))
    tables_of_run = dict.fromkeys(
        [
            *expand("results/tables/{table}.parquet", table=TABLES),
            *(path for paths in sections.values() for path in paths),
        ]
    )
    sections["claims"] = expand(
        "results/tables/{table}.parquet",
        table=[
            "claims",
            "max_attention_tokens",
            "max_attention_tokens_padded",
        ],
    )

    rule claims:
        """Say of every claim of the studies whether it holds in this run."""
        input:
            claims=CLAIMS,
            tables=tables_of_run,
            source=source("reduce"),
        output:
            expand("results/tables/claims.{kind}", kind=["parquet", "csv"]),
        log:
            "results/logs/claims.log",
        benchmark:
            "results/benchmarks/claims.tsv"
        group:
            "report"
        params:
            names=[Path(path).stem for path in tables_of_run],
        message:
            "Comparing with what the studies claim"
        shell:
            "sinkscope --log {log}"
            " claims {input.claims:q} {params.names} --tables results/tables"
            " 2>&1 | tee {log} >&2"
