# What all rules share: the requests of this run, and what its jobs ask a scheduler for.
#
# A job is given its request and the command that runs it (`params.job`). The request is all that its
# result depends on. The result's stamp, the job's output, states the request, and its name ends in
# the request's hash. So a result is made again when, and only when, it was made from something else
# than is wanted now.

wanted, grid, asks = run.wanted, run.grid, run.asks
JOB = "sinkscope --log {log} --stamp {output} {params.job:q} 2>&1 | tee {log} >&2"


wildcard_constraints:
    model="[A-Za-z0-9._-]+",
    shard="[A-Za-z0-9._-]+",
    experiment="[a-z_]+",
    digest="[0-9a-f]{12}",
    repository="[A-Za-z0-9._@-]+",


def stamps(requests):
    """The files that say that these results were made."""
    return [request.stamp for request in requests]


def weights(wildcards):
    """What must have been downloaded before a model can run: nothing but for hub models."""
    run.used.add(wildcards.model)
    repository = grid.repository(wildcards.model)
    return f"results/hub/{repository}.json" if repository else []


def weights_to_measure(wildcards):
    """The same for a measurement, which a job of this run may make ahead of its own job."""
    run.measuring.add((wildcards.experiment, wildcards.model, wildcards.shard))
    return weights(wildcards)


def manifests(wildcards):
    """The extraction jobs of one model."""
    return stamps(wanted.manifests(wildcards.model))


def asking(amount, log):
    """What a job asks for; amount: of the wildcards and the attempt. log: its log below
    results/logs, by which an attempt that can only repeat its sentence is known."""
    return lambda wildcards, attempt: amount(
        wildcards, run.attempt(log.format(**dict(wildcards.items())), attempt)
    )


def gpus(log):
    """GPUs that a job asks for; none where it only repeats its sentence."""
    return lambda wildcards, attempt: (
        grid.n_gpus(wildcards.model)
        if run.attempt(log.format(**dict(wildcards.items())), attempt) == attempt
        else 0
    )
