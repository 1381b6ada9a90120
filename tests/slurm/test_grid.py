"""The default grid, and others, through SLURM: what is asked for, and what comes out."""

import re
import shutil

from slurm.cluster import run
from slurm.grid import ClusterProject
from workflow.project import ROOT, copy_of_workflow


def test_the_default_grid_gives_the_bytes_of_a_local_run(slurm, tmp_path):
    workflow = copy_of_workflow(tmp_path / "clone")
    shutil.copytree(ROOT / "zoo", workflow / "zoo")
    projects = []
    for name in ("local", "cluster"):
        project = ClusterProject(tmp_path / name, workflow)
        shutil.copytree(ROOT / "corpus", project.folder / "corpus")
        shutil.copytree(ROOT / "config", project.folder / "config", dirs_exist_ok=True)
        projects.append(project)
    local, cluster = projects
    done = local.snakemake()
    assert done.returncode == 0, done.stdout
    said = cluster.run()
    assert "Traceback" not in said
    made, expected = cluster.files(), local.files()
    assert made.keys() == expected.keys()
    assert [name for name in made if made[name] != expected[name]] == []
    pages = {path.name for path in (local.folder / "reports").glob("*.html")}
    assert {path.name for path in (cluster.folder / "reports").glob("*.html")} == pages
    # What became of every job is there to be read.
    names = [job["comment"] for job in slurm.jobs()]
    assert any("rule_extract_wildcards_zoo-llama_0000" in name for name in names)
    assert sum(name.startswith("rule_report_") for name in names) == 1
    log = cluster.wanted().extract("zoo-llama", "0000").log
    assert (cluster.folder / f"results/logs/{log}.log").is_file()
    assert (cluster.folder / f"results/benchmarks/{log}.tsv").is_file()
    assert "Nothing to be done" in cluster.run()


def test_jobs_of_a_gpu_model_get_gpus_that_no_other_has_and_say_when_none_is_seen(project, slurm):
    """The cluster's GPUs are names only: every job is given one, and torch sees none."""
    project.settings(documents_per_job=6, experiments=[], device="cuda")
    process = project.submit("--retries", "0")
    held = set()
    while process.poll() is None:
        details = run("scontrol", "show", "job", "--details", "--oneliner", check=False)
        now = re.findall(r"JobState=RUNNING .* Nodes=(\w+) .*GRES=gpu:1\(IDX:(\d)\)", details)
        assert len(now) == len(set(now)), now
        held.update(now)
    code, _ = project.finish(process)
    assert code != 0
    assert held == {(node, gpu) for node in ("node1", "node2") for gpu in "01"}
    sentence = "its device is cuda, but torch sees no GPU here; set device: cpu, or run on a GPU"
    logs = list((project.folder / "results/logs/extract").rglob("*.log"))
    assert len(logs) == 4
    assert all(sentence in path.read_text() for path in logs)
    assert not any("Traceback" in path.read_text() for path in logs)


def test_the_generic_profile_submits_with_its_one_line(project, slurm, undisturbed):
    said = project.run("--workflow-profile", str(ROOT / "workflow" / "profiles" / "generic"))
    assert "Traceback" not in said
    assert project.files() == undisturbed
    names = {job["name"] for job in slurm.jobs()}
    assert any("extract" in name and "zoo-gpt2" in name for name in names)
