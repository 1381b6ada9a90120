# Sinkscope: where the attention of transformers lands, for every model and document.
#
# REQUIRED INPUTS: config/config.yaml and the tables and documents it names, found in the
#     working directory (--directory DIR).
# OUTPUTS: reports/index.html and a page for every model; results/tables/.

import sys

from sinkscope.errors import SinkscopeError, sentences
from sinkscope.files import check_braces, write_text
from sinkscope.mapping import read_mapping
from snakemake.utils import min_version

min_version("9.10")

# What Snakemake merges, the files that take precedence last. They are read here too: Snakemake
# does not say where YAML is wrong, and keeps the last of two equal keys.
CONFIG_FILES = [
    path
    for path in map(Path, ["config/config.yaml", *workflow.overwrite_configfiles])
    if path.is_file()
]
try:
    check_braces(workflow.basedir, "the clone")
    for path in CONFIG_FILES:
        read_mapping(path)
except SinkscopeError as error:
    sys.exit(sentences(error))


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"


# Of a partial report, the finished manifests are the inputs: nothing is extracted.
if not grid.config.raw["partial"]:

    include: "workflow/rules/download.smk"
    include: "workflow/rules/extract.smk"


include: "workflow/rules/padded.smk"
include: "workflow/rules/reduce.smk"
include: "workflow/rules/emergence.smk"
include: "workflow/rules/induction.smk"
include: "workflow/rules/second_sink.smk"
include: "workflow/rules/norms.smk"
include: "workflow/rules/bos.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/zoo.smk"


rule all:
    default_target: True
    input:
        "reports/index.html",


# The merged configuration, for the stages and for the report. Written here, not by a rule:
# a job downstream of a rule that runs is not asked whether its own parameters changed.
onstart:
    stop_unready()
    remember_failures()
    write_text(Path("results/config.yaml"), grid.snapshot())
    if not grid.config.raw["partial"]:  # that is made at the end of a run
        take_over()
    presence.stay()


onsuccess:
    leave_clean()
    list_missing()


onerror:
    report_partially()
    list_failures()
