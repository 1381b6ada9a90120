"""The experiments and the statistics that there are."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from sinkscope.declarations.experiment import Experiment, Setting
from sinkscope.declarations.statistic import Statistic
from sinkscope.discovery import modules_in
from sinkscope.errors import SinkscopeError

PACKAGE = "sinkscope.experiments"
STATISTICS = "sinkscope.statistics"


@cache
def experiments() -> dict[str, Experiment]:
    """By name, which is that of the package. Raises SinkscopeError for a package in `experiments`
    that declares none."""
    found = {}
    for module in modules_in(PACKAGE):
        experiment = getattr(import_module(module), "EXPERIMENT", None)
        if not isinstance(experiment, Experiment):
            raise SinkscopeError(
                f"{module}: declares no experiment; give it EXPERIMENT = Experiment(...), or take "
                "the folder away."
            )
        found[module.rpartition(".")[2]] = experiment
    return found


def experiment(name: str) -> Experiment:
    """Raises SinkscopeError for an experiment that there is not."""
    if name not in experiments():
        raise SinkscopeError(f"no experiment '{name}'; experiments are {', '.join(experiments())}.")
    return experiments()[name]


def measured() -> dict[str, Experiment]:
    """Experiments that run models."""
    return {name: one for name, one in experiments().items() if not one.records}


def settings() -> dict[str, Setting]:
    """Keys of the configuration that experiments declare."""
    return {
        setting.key: setting
        for one in experiments().values()
        for setting in (*one.settings, *([one.threshold] if one.threshold else []))
    }


@cache
def statistics() -> tuple[Statistic, ...]:
    """Those of the package first, in the order of its tables. Raises SinkscopeError where a module
    declares none, or two have one name."""
    modules = sorted(modules_in(STATISTICS), key=lambda name: name != f"{STATISTICS}.attention")
    found: dict[str, Statistic] = {}
    for module in modules:
        for one in getattr(import_module(module), "STATISTICS", ()):
            if one.name in found:
                raise SinkscopeError(
                    f"{module}: a second statistic is named '{one.name}'; rename it."
                )
            found[one.name] = one
    return tuple(found.values())


def added() -> tuple[Statistic, ...]:
    """Statistics that say themselves how they are computed."""
    return tuple(one for one in statistics() if one.by_query is not None)
