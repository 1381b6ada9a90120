"""The registry of all experiments and statistics."""

from collections.abc import Iterable
from functools import cache

from sinkscope.declarations.experiment import Experiment, Setting
from sinkscope.declarations.statistic import AXES, Statistic
from sinkscope.discovery import load, modules_in
from sinkscope.errors import SinkscopeError

PACKAGE = "sinkscope.experiments"
STATISTICS = "sinkscope.statistics"
BUILT_IN = f"{STATISTICS}.attention"  # computed by `extract`


@cache
def experiments() -> dict[str, Experiment]:
    """Experiments by name, that of their package. Raises SinkscopeError for a package that declares
    none, and for equal names of tables, sections or settings of two experiments."""
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
    SinkscopeError if two statistics have the same name, and for one that cannot be computed."""
    modules = sorted(modules_in(STATISTICS), key=lambda name: name != BUILT_IN)
    by_name: dict[str, Statistic] = {}
    for module in modules:
        for one in getattr(load(module), "STATISTICS", ()):
            if one.name in by_name:
                raise SinkscopeError(
                    f"{module}: a second statistic is named '{one.name}'; rename it."
                )
            check_computed(module, one)
            by_name[one.name] = one
    return tuple(by_name.values())


def check_computed(module: str, one: Statistic) -> None:
    """Raises SinkscopeError for a statistic of which no array of a cell can be made."""
    if unknown := set(one.axes) - set(AXES):
        problem = f"has the axis '{min(unknown)}'; axes are {', '.join(AXES)}"
    elif module != BUILT_IN and one.by_query is None:
        problem = "does not say how it is computed; give it by_query"
    elif one.by_query is not None and one.axes != ("layer", "head"):
        problem = "has by_query, but not the axes (layer, head); correct them"
    else:
        return
    raise SinkscopeError(f"{module}: the statistic '{one.name}' {problem}.")


def added() -> tuple[Statistic, ...]:
    """Statistics that bring their own computation (`by_query`)."""
    return tuple(one for one in statistics() if one.by_query is not None)
