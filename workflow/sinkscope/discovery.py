"""Discovery of the modules of a package, and of the folders that extend it."""

import pkgutil
import sys
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

from sinkscope.errors import SinkscopeError

EXTENDED = ("experiments", "statistics", "claims/measures")


def additions(package: str) -> list[str]:
    """Folders that add modules to a package: those of its name on Python's path, below a folder
    `sinkscope` that has one of EXTENDED and no `__init__.py`. (With one it is another installation
    of Sinkscope, whose modules must not be mixed with those of this one.)"""
    top, *inside = package.split(".")
    roots = [
        root
        for root in dict.fromkeys(Path(entry, top) for entry in sys.path)
        if not (root / "__init__.py").is_file() and any((root / name).is_dir() for name in EXTENDED)
    ]
    return [str(folder) for root in roots if (folder := root.joinpath(*inside)).is_dir()]


def folders_of(package: str) -> tuple[Path, ...]:
    """The folder of a package, and the folders that extend it."""
    return tuple(map(Path, import_module(package).__path__))


@cache
def modules_in(package: str) -> tuple[str, ...]:
    """Full names of the direct submodules and subpackages, sorted, without tests."""
    modules = pkgutil.iter_modules(import_module(package).__path__)
    names = {module.name for module in modules if not module.name.startswith("test_")}
    return tuple(f"{package}.{name}" for name in sorted(names))


def load(module: str) -> ModuleType:
    """Import a discovered module, which may be a user's. Raises SinkscopeError if that fails."""
    try:
        return import_module(module)
    except SinkscopeError:
        raise
    except Exception as error:  # whatever the module does when it is imported
        reason = " ".join(str(error).split())
        raise SinkscopeError(
            f"{module}: cannot be imported ({type(error).__name__}: {reason}); correct it, or take "
            "its folder off Python's path."
        ) from error


def in_order(package: str, first: Sequence[str]) -> tuple[str, ...]:
    """The modules of `modules_in`: first those named in `first`, in that order, then the others.

    first: names without their package. Raises SinkscopeError for a name that no module has.
    """
    names = [f"{package}.{name}" for name in first]
    if missing := set(names) - set(modules_in(package)):
        raise SinkscopeError(
            f"{min(missing)}: is declared, but this module does not exist; write it."
        )
    others = [module for module in modules_in(package) if module not in names]
    return (*names, *others)
