"""The registry of all experiments and statistics."""

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
    """Experiments by name, the name of their package. Raises SinkscopeError for a package in
    `experiments` that declares no experiment."""
    by_name = {}
    for module in modules_in(PACKAGE):
        experiment = getattr(import_module(module), "EXPERIMENT", None)
        if not isinstance(experiment, Experiment):
            raise SinkscopeError(
                f"{module}: declares no experiment; give it EXPERIMENT = Experiment(...), or take "
                "the folder away."
            )
        by_name[module.rpartition(".")[2]] = experiment
    return by_name


def experiment(name: str) -> Experiment:
    """The experiment of this name. Raises SinkscopeError for an unknown name."""
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
    """All statistics; those of this package first, in the order of its tables. Raises
    SinkscopeError if two statistics have the same name."""
    modules = sorted(modules_in(STATISTICS), key=lambda name: name != f"{STATISTICS}.attention")
    by_name: dict[str, Statistic] = {}
    for module in modules:
        for one in getattr(import_module(module), "STATISTICS", ()):
            if one.name in by_name:
                raise SinkscopeError(
                    f"{module}: a second statistic is named '{one.name}'; rename it."
                )
            by_name[one.name] = one
    return tuple(by_name.values())


def added() -> tuple[Statistic, ...]:
    """Statistics that bring their own computation (`by_query`)."""
    return tuple(one for one in statistics() if one.by_query is not None)
