"""The rules of the Snakemake Workflow Catalog for workflows of standardized usage:
https://snakemake.github.io/snakemake-workflow-catalog/docs/about/adding_workflows.html"""

import yaml

from package.conftest import ROOT


def test_the_catalog_finds_the_workflow():
    readme = (ROOT / "README.md").read_text(encoding="utf-8").lower()
    assert "snakemake" in readme
    assert "workflow" in readme
    assert (ROOT / "workflow/Snakefile").is_file()
    assert list((ROOT / "workflow/rules").glob("*.smk"))


def test_its_usage_is_standardized():
    settings = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())
    assert list(settings) == ["usage"]
    usage = settings["usage"]
    assert set(usage) == {"mandatory-flags", "software-stack-deployment", "report"}
    flags = usage["mandatory-flags"]
    assert set(flags) == {"desc", "flags"}
    assert flags["desc"]
    assert flags["flags"] == []
    ways = {"conda", "apptainer", "apptainer+conda"}
    assert set(usage["software-stack-deployment"]) == ways
    every = [usage["report"], *usage["software-stack-deployment"].values()]
    assert all(isinstance(value, bool) for value in every)


def test_the_configuration_is_explained_with_the_installation():
    explained = (ROOT / "config/README.md").read_text(encoding="utf-8")
    for name in ("config.yaml", "models.tsv", "documents.tsv"):
        assert name in explained
    assert "pip install" in explained
    assert "snakedeploy deploy-workflow" in explained
    for handler in ("run.begin(config", "run.succeed(config)", "run.fail(config)"):
        assert handler in explained
