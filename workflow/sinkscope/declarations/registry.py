"""The registry of all experiments and statistics."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from sinkscope.declarations.experiment import Experiment, Setting
from sinkscope.declarations.statistic import Statistic
from sinkscope.discovery import load, modules_in
from sinkscope.errors import SinkscopeError

PACKAGE = "sinkscope.experiments"
STATISTICS = "sinkscope.statistics"


@cache
def experiments() -> dict[str, Experiment]:
    """Experiments by name, the name of their package. Raises SinkscopeError for a package in
    `experiments` that declares no experiment, and for tables, sections or settings of two
    experiments that have the same name."""
    by_name: dict[str, Experiment] = {}
    for module in modules_in(PACKAGE):
        experiment = getattr(load(module), "EXPERIMENT", None)
        if not isinstance(experiment, Experiment):
            raise SinkscopeError(
                f"{module}: declares no experiment; give it EXPERIMENT = Experiment(...), or take "
                "the folder away."
            )
        for other in by_name.values():
            check_distinct(module, "table", experiment.tables, other.tables)
            check_distinct(module, "section", experiment.sections, other.sections)
            keys = {one.key: one for one in settings_of(other)}
            clashes = [one for one in settings_of(experiment) if keys.get(one.key, one) != one]
            check_distinct(module, "setting", [one.key for one in clashes], keys)
        by_name[module.rpartition(".")[2]] = experiment
    return by_name


def check_distinct(module: str, what: str, names: Iterable[str], others: Iterable[str]) -> None:
    """Raises SinkscopeError for a name that another experiment has too."""
    if twice := sorted(set(names) & set(others)):
        raise SinkscopeError(f"{module}: a second {what} is named '{twice[0]}'; rename it.")


def settings_of(experiment: Experiment) -> list[Setting]:
    """The settings of the configuration that an experiment declares."""
    return [*experiment.settings, *([experiment.threshold] if experiment.threshold else [])]


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
    return {setting.key: setting for one in experiments().values() for setting in settings_of(one)}


@cache
def statistics() -> tuple[Statistic, ...]:
    """All statistics; those of this package first, in the order of its tables. Raises
    SinkscopeError if two statistics have the same name."""
    modules = sorted(modules_in(STATISTICS), key=lambda name: name != f"{STATISTICS}.attention")
    by_name: dict[str, Statistic] = {}
    for module in modules:
        for one in getattr(load(module), "STATISTICS", ()):
            if one.name in by_name:
                raise SinkscopeError(
                    f"{module}: a second statistic is named '{one.name}'; rename it."
                )
            by_name[one.name] = one
    return tuple(by_name.values())


def added() -> tuple[Statistic, ...]:
    """Statistics that bring their own computation (`by_query`)."""
    return tuple(one for one in statistics() if one.by_query is not None)
