"""The hash of the code that a job runs; comments and docstrings do not change it.

A job's modules are those that its entry module imports, directly or through others, at the top or
inside a function. Each is hashed by what its syntax tree without docstrings compiles to; other
files beside them (templates, scripts) by their bytes."""

import ast
import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

from sinkscope.discovery import folders_of
from sinkscope.errors import SinkscopeError
from sinkscope.shipped import PACKAGE

NAME = PACKAGE.name
# The package, and folders that add experiments, statistics or measures to it.
ROOTS = folders_of(NAME)
# Fields of a statement that hold statements, or parts of it that do (except, case).
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


@cache
def code_hash(*entries: str) -> str:
    """Hash of the code that these modules run, 12 hexadecimal digits. entries: dotted names."""
    total = hashlib.sha256()
    for module in closure(entries):
        total.update(f"{module} {program_of(module)}\n".encode())
    for path in data_files(closure(entries)):
        inside = next(path.relative_to(root) for root in ROOTS if path.is_relative_to(root))
        total.update(f"{inside} ".encode() + path.read_bytes())
    return total.hexdigest()[:12]


@cache
def closure(entries: tuple[str, ...]) -> tuple[str, ...]:
    """Sorted names of these modules and of all modules of the package that they import."""
    modules: set[str] = set()
    waiting = list(entries)
    while waiting:
        module = waiting.pop()
        if module not in modules:
            modules.add(module)
            waiting += imports_of(module)
    return tuple(sorted(modules))


@cache
def path_of(module: str) -> Path | None:
    """The file of one of this package's modules; None if there is no module of that name."""
    if module == NAME:
        return None
    for root in ROOTS:
        inside = root.joinpath(*module.split(".")[1:])
        for path in (inside.with_suffix(".py"), inside / "__init__.py"):
            if path.is_file():
                return path
    return None


@cache
def tree_of(module: str) -> ast.Module:
    path = path_of(module)
    if path is None:
        raise ModuleNotFoundError(f"{PACKAGE} has no module {module}", name=module)
    try:
        return ast.parse(path.read_bytes())
    except SyntaxError as error:
        raise SinkscopeError(
            f"{path} line {error.lineno}: is not Python ({error.msg}); correct it."
        ) from error


@cache
def imports_of(module: str) -> tuple[str, ...]:
    """Modules of this package that `module` imports directly. `from package import name` imports
    `package.name` if that is a module, else the package."""
    imports: list[str] = []
    for node in statements(tree_of(module)):
        if isinstance(node, ast.Import):
            imports += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            modules = [name for name in inner if name.startswith(f"{NAME}.") and path_of(name)]
            imports += modules
            imports += [node.module] if len(modules) < len(inner) else []
    return tuple(name for name in imports if name.startswith(f"{NAME}.") and path_of(name))


@cache
def program_of(module: str) -> str:
    """Hash of a module's code without docstrings; comments and layout do not count."""
    tree = tree_of(module)
    for node in statements(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            if ast.get_docstring(node, clean=False) is not None:
                del node.body[0]
            node.body = node.body or [ast.Pass(lineno=1, col_offset=0)]
    total = hashlib.sha256()
    for part in parts_of(compile(tree, module, "exec", dont_inherit=True)):
        total.update(part)
    return total.hexdigest()


def parts_of(code: CodeType) -> Iterator[bytes]:
    """A code object without its place in the file. `marshal` would depend on the process: on the
    order of sets, and on what else refers to a name."""
    counts = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags
    names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars, code.co_qualname
    yield from (code.co_code, code.co_exceptiontable, repr((counts, names)).encode())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from parts_of(constant)
        elif isinstance(constant, frozenset):
            yield repr(sorted(map(repr, constant))).encode()
        else:
            yield repr(constant).encode()


def statements(tree: ast.Module) -> Iterator[Any]:
    """The module and every statement in it. Expressions hold neither imports nor docstrings."""
    waiting: list[Any] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for name in BLOCKS:
            waiting += getattr(node, name, ())


def forget() -> None:
    """Read every module again from now on, as a new process does."""
    for function in (code_hash, closure, path_of, tree_of, imports_of, program_of):
        function.cache_clear()


def data_files(modules: Sequence[str]) -> Iterator[Path]:
    """Files other than Python, in the packages of these modules and in their plain folders."""
    packages = {path.parent for module in modules if (path := path_of(module))} - set(ROOTS)
    for package in sorted(packages):
        for path in sorted(package.rglob("*")):
            belongs = path.parent == package or not (path.parent / "__init__.py").is_file()
            if belongs and path.is_file() and path.suffix not in (".py", ".pyc"):
                yield path
