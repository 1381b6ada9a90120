# REQUIRED INPUTS: results/tables/; config/claims.yaml of the working directory, else the one that is
#     shipped.
# OUTPUTS: results/tables/claims.parquet: every claim of the studies, held against this run.

if "claims" in wanted.joins():

    rule claims_tables:
        """Say of every claim of the studies whether it holds in this run."""
        input:
            claims=wanted.claims_file(),
            tables=stamps([wanted.tables(), *map(wanted.join, wanted.joins()[:-1])]),
        output:
            update(wanted.join("claims").stamp),
        log:
            f"results/logs/{wanted.join('claims').log}.log",
        benchmark:
            f"results/benchmarks/{wanted.join('claims').log}.tsv"
        group:
            run.group
        params:
            job=wanted.join("claims").arguments,
        message:
            "Comparing with what the studies claim"
        shell:
            JOB
