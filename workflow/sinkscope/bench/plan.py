"""The processor time of planning: of Sinkscope's part, the configuration, the hashes of documents
and the request of every job (`requests`), and of a whole `snakemake --dry-run`."""

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from sinkscope.bench.rounds import print_table
from sinkscope.bench.texts import random_words, shipped_sentences
from sinkscope.config import load, read_config
from sinkscope.files import write_json, write_text
from sinkscope.grid import Grid
from sinkscope.jobs import code
from sinkscope.jobs.wanted import Wanted
from sinkscope.run import collect_rarely
from sinkscope.shipped import SHIPPED

MODELS = ("distilbert", "bert", "roberta", "opt", "gpt2", "falcon", "llama")
WORDS = range(50, 401)  # of a document


def run_bench(out: Path, n_documents: int, per_job: int, n_rounds: int) -> None:
    """Print and keep the medians of some rounds, with the shipped experiments and without."""
    shipped = read_config(SHIPPED / "config" / "config.yaml")["experiments"]
    rows = []
    no_experiments: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for experiments in (shipped, no_experiments):
            config = make_project(Path(folder), n_documents, per_job, experiments)
            rows.append(measure(config, Path(folder), n_rounds))
    facts = {"rounds": n_rounds, "models": len(MODELS), "documents": n_documents}
    facts["documents_per_job"] = per_job
    write_json(out, {**facts, "rows": rows})
    print_rows(facts, rows)
    print(f"Kept as {out}")


def make_project(
    folder: Path, n_documents: int, per_job: int, experiments: list[str]
) -> dict[str, Any]:
    """Write the tables, the corpus and the configuration; returns the configuration."""
    generator, sentences = random.Random(0), shipped_sentences()
    lines = []
    for number in range(n_documents):
        words = random_words(sentences, generator)
        text = " ".join(next(words) for _ in range(generator.choice(WORDS)))
        lines.append(json.dumps({"text": f"{number} {text}"}))
    write_text(folder / "corpus.jsonl", "\n".join(lines) + "\n")
    write_text(folder / "documents.tsv", "document\tpath\ncorpus\tcorpus.jsonl\n")
    models = "".join(f"zoo-{name}\tzoo:{name}\n" for name in MODELS)
    write_text(folder / "models.tsv", f"model\tsource\n{models}")
    config = {
        "models": "models.tsv",
        "documents": "documents.tsv",
        "documents_per_job": per_job,
        "experiments": experiments,
    }
    write_json(folder / "config" / "config.yaml", config)  # JSON is YAML
    return config


def measure(config: dict[str, Any], folder: Path, n_rounds: int) -> dict[str, Any]:
    """Number of jobs, and median processor seconds of both parts."""
    n_jobs, rounds = 0, []
    collect_rarely()
    for _ in range(n_rounds):
        code.forget()
        started = time.process_time()
        wanted = Wanted(Grid(load(config, folder)), folder)
        n_jobs = len(wanted.all())
        rounds.append((time.process_time() - started, dry_run(folder)))
    requests, whole = (median(values) for values in zip(*rounds, strict=True))
    named = {"experiments": len(config["experiments"]), "jobs": n_jobs}
    return {**named, "requests_cpu_seconds": requests, "dry_run_cpu_seconds": whole}


def dry_run(folder: Path) -> float:
    """Processor seconds of `snakemake --dry-run` and its child processes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "--cores", "1"]
    command += ["--snakefile", str(SHIPPED / "workflow" / "Snakefile"), "--directory", str(folder)]
    subprocess.run(command, check=True, capture_output=True, env=os.environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def print_rows(facts: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    title = (
        f"{facts['models']} models x {facts['documents']:,} documents, "
        f"{facts['documents_per_job']} documents per job\n"
        f"processor seconds, medians of {facts['rounds']} rounds"
    )
    lines = [
        (
            *(f"{row['experiments']}", f"{row['jobs']:,}"),
            *(f"{row[part]:.2f}" for part in ("requests_cpu_seconds", "dry_run_cpu_seconds")),
        )
        for row in rows
    ]
    print_table(title, [], ("experiments", "jobs", "requests", "dry run"), lines)
