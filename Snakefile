# The workflow of a clone: all of it is in workflow/, also for those who deploy it as a module.


include: "workflow/Snakefile"


# The first rule here is what `snakemake` makes.
rule default:
    input:
        rules.all.input,
