# Sinkscope: where the attention of transformers lands, for every model and document.
#
# REQUIRED INPUTS: config/config.yaml and the tables and documents it names, found in the
#     working directory (--directory DIR).
# OUTPUTS: reports/index.html and a page for every model; results/tables/.

from snakemake.utils import min_version

min_version("9.10")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/extract.smk"
include: "workflow/rules/reduce.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        "reports/index.html",


onerror:
    report_partially()
