"""What goes wrong on a cluster, one thing at a time; every run ends in the same bytes."""

import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

from slurm.cluster import NODES, run
from slurm.grid import JOBS, MODELS, PATIENCE, CellWatch, ClusterProject, finished
from workflow.project import MINILM, ROOT

KILLS = 20


def kill(process: subprocess.Popen) -> None:
    """The run alone: its jobs go on."""
    process.send_signal(signal.SIGKILL)
    process.wait()


def assert_whole(project: ClusterProject, undisturbed: dict[str, bytes]) -> None:
    """What has its final name is what it will be in the end."""
    for name, data in project.files().items():
        assert data == undisturbed[name], name


def jobs_of(slurm, word: str, *states: str) -> list[dict[str, str]]:
    """Jobs in these states (none named: that run) whose comment has this word."""
    return [job for job in slurm.jobs(*(states or ["RUNNING"])) if word in job["comment"]]


def test_killed_at_random_moments_it_goes_on_where_it_was(
    tmp_path, clone, slurm, undisturbed, record_property
):
    moments = random.Random(7)
    n_kills = n_rounds = 0
    while n_kills < KILLS:
        n_rounds += 1
        project = ClusterProject(tmp_path / f"round{n_rounds}", clone)
        done: Counter = Counter()
        kills = 0
        with CellWatch(project.folder) as cells:
            while True:
                process = project.submit()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(moments.uniform(1, 45))
                if process.poll() is not None:
                    break
                kill(process)
                kills += 1
                done += finished(project.log.read_text())
                assert_whole(project, undisturbed)
                project.unlock()
        said = project.log.read_text()
        assert process.returncode == 0, said
        done += finished(said)
        assert project.files() == undisturbed
        # What was left at work by killed runs ends, and changes nothing.
        project.waits_for(lambda: not slurm.jobs("RUNNING", "PENDING", "COMPLETING"))
        assert project.files() == undisturbed
        assert project.begun("results") == project.begun("reports") == []
        assert project.sinkscope("check").returncode == 0
        # A cell that was finished is never made again, nor is a job that was seen to finish.
        assert set(cells.counts().values()) == {1}
        assert len(cells.counts()) == 24
        # (The files of a stamp are looked at again, where a job that was left at work renewed it.)
        counted = {rule: n for rule, n in JOBS.items() if not rule.endswith("_files")}
        assert all(done[rule] <= number for rule, number in counted.items()), done
        n_kills += kills
    record_property("rounds", n_rounds)


def test_a_cancelled_job_is_repeated(project, slurm, undisturbed):
    process = project.submit()
    project.waits_for(lambda: jobs_of(slurm, "rule_extract_wildcards_zoo-gpt2"))
    cancelled = jobs_of(slurm, "rule_extract_wildcards_zoo-gpt2")[0]
    run("scancel", cancelled["id"])
    code, said = project.finish(process)
    assert code == 0, said
    assert f"SLURM-job '{cancelled['id']}' failed" in said
    again = [job["state"] for job in slurm.jobs() if job["comment"] == cancelled["comment"]]
    assert "COMPLETED" in again
    assert project.files() == undisturbed


def test_a_node_whose_daemon_comes_back_loses_nothing(project, slurm, undisturbed):
    process = project.submit()
    project.waits_for(lambda: jobs_of(slurm, "rule_extract"))
    node = jobs_of(slurm, "rule_extract")[0]["node"]
    slurm.kill_node(node)
    time.sleep(5)
    slurm.start_node(node)
    code, said = project.finish(process)
    assert code == 0, said
    assert finished(said)["extract"] == 4
    assert project.files() == undisturbed


def test_the_jobs_of_a_lost_node_are_repeated_elsewhere(project, slurm, undisturbed):
    process = project.submit()
    project.waits_for(lambda: jobs_of(slurm, "rule_extract"))
    lost = jobs_of(slurm, "rule_extract")[0]["node"]
    (other,) = set(NODES) - {lost}
    hit = {job["comment"] for job in jobs_of(slurm, "") if job["node"] == lost}
    slurm.kill_node(lost)
    try:
        # What ran there ends as lost, or failed where it needed its node for its next step.
        def again():
            done = jobs_of(slurm, "", "COMPLETED")
            return {job["comment"] for job in done if job["node"] == other} & hit

        project.waits_for(lambda: jobs_of(slurm, "", "NODE_FAIL", "FAILED"))
        project.waits_for(again)
    finally:
        slurm.start_node(lost)
    code, said = project.finish(process)
    assert code == 0, said
    assert project.files() == undisturbed


def test_a_job_over_its_memory_is_repeated_with_more(project, slurm, undisturbed):
    rows = ["model\tsource\tmem_mb", f"{MINILM}\t250", "zoo-gpt2\tzoo:gpt2\t"]
    project.write("config/models.tsv", "\n".join(rows) + "\n")
    said = project.run("--retries", "4")
    words = "Extracting minilm, documents of shard 0000"
    asked = [int(mb) for mb in re.findall(rf"{words} \(2 threads, (\d+) MB", said)]
    assert asked == [250 * attempt for attempt in range(1, len(asked) + 1)]
    assert len(asked) > 1
    assert project.files() == undisturbed


def test_a_job_over_its_time_is_repeated_with_more(project, slurm, undisturbed):
    process = project.submit("--set-resources", "extract:runtime=attempt")
    project.waits_for(lambda: jobs_of(slurm, "rule_extract_wildcards_zoo-gpt2"))
    job = jobs_of(slurm, "rule_extract_wildcards_zoo-gpt2")[0]
    # It hangs: what it runs does nothing more.
    (shard,) = re.findall(r"zoo-gpt2_(\d{4})", job["comment"])
    project.waits_for(lambda: stopped(f"--stamp results/shards/zoo-gpt2/{shard}."))
    code, said = project.finish(process)
    assert code == 0, said
    states = Counter(one["state"] for one in slurm.jobs() if one["comment"] == job["comment"])
    assert states["TIMEOUT"] == 1
    assert project.files() == undisturbed


def stopped(words: str) -> bool:
    """Stop the extractions whose command line has these words; whether there were any."""
    found = False
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if "bin/sinkscope" in line and " extract " in line and words in line:
                os.kill(int(process.name), signal.SIGSTOP)
                found = True
    return found


def test_outputs_that_are_cut_short_are_made_again(project, slurm, undisturbed):
    process = project.submit()
    project.waits_for(lambda: finished(project.log.read_text())["extract"] >= 2)
    kill(process)
    made = [project.folder / name for name in project.files()]
    cut = [path for path in made if path.suffix in (".safetensors", ".parquet")]
    assert cut
    for path in cut:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    project.unlock()
    slurm.empty()
    assert project.sinkscope("check", "--repair").returncode == 0
    said = project.run()
    assert "Traceback" not in said
    assert project.files() == undisturbed


def test_what_has_failed_for_good_is_not_tried_with_more_and_is_said_at_the_end(project, slurm):
    """Weights that cannot be read: no memory helps."""
    shutil.copytree(ROOT / "zoo/gpt2", project.folder / "broken")
    (project.folder / "broken/model.safetensors").write_bytes(b"junk")
    project.models(*MODELS, "broken\tpath:broken")
    project.settings(documents_per_job=12, experiments=[])
    code, said = project.finish(project.submit("--retries", "2"))
    assert code != 0
    asked = re.findall(r"Extracting broken, .* (\d+) MB", said)
    assert len(asked) == 3
    assert len(set(asked)) == 1
    closing = said[said.rindex("1 job failed:") :]
    sentence = "model 'broken': path:broken cannot be loaded from"
    assert closing.count(sentence) == 1
    assert "extract broken 0000" in closing
    assert "Traceback" not in said
    assert "The report of what has finished" in said
    page = (project.folder / "reports/index.html").read_text(encoding="utf-8")
    assert "path:broken cannot be loaded" in page


def test_on_a_full_disk_nothing_is_half_written_and_the_rest_follows(
    small_disk, clone, slurm, undisturbed
):
    small_disk.resize(2048)
    project = ClusterProject(small_disk.path / "project", clone)
    code, _ = project.finish(project.submit("--retries", "0"))
    assert code != 0
    assert_whole(project, undisturbed)
    slurm.empty()
    assert small_disk.resize(200_000)
    if (project.folder / ".snakemake" / "locks").is_dir():
        project.unlock()
    project.run()
    assert project.files() == undisturbed


def test_another_folder_of_the_same_user_is_left_alone(tmp_path, clone, slurm):
    one, two = (ClusterProject(tmp_path / name, clone) for name in ("one", "two"))
    for project in (one, two):
        project.models(MINILM)
    process = one.submit("tables")
    one.waits_for(lambda: jobs_of(slurm, "rule_extract"))
    two.run("tables")
    code, said = one.finish(process)
    assert code == 0, said
    assert "failed" not in said


def test_two_runs_of_one_folder_leave_each_other_their_jobs(project, slurm):
    one = project.submit(project.wanted().reduce("minilm").stamp)
    project.waits_for(lambda: jobs_of(slurm, "rule_extract"))
    first = project.log.rename(project.folder / "first.log")
    said = project.run(project.wanted().reduce("zoo-gpt2").stamp)
    assert one.wait(PATIENCE) == 0, first.read_text()
    for log in (said, first.read_text()):
        assert finished(log) == {"extract": 2, "reduce": 1}
        assert "failed" not in log


def test_a_full_queue_of_shards_is_bounded(project, slurm):
    project.settings(documents_per_job=2, experiments=[])
    process = project.submit("--jobs", "3", "tables")
    most = 0
    while process.poll() is None:
        most = max(most, len(slurm.jobs("RUNNING", "PENDING")))
        time.sleep(0.5)
    assert process.returncode == 0, project.log.read_text()
    assert most == 3
