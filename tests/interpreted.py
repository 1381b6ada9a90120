"""Triton's interpreter, without what it repeats: for tests of kernels where there is no GPU."""

from collections.abc import Iterator
from contextlib import contextmanager

import triton.language as tl
from triton.runtime import interpreter


@contextmanager
def patched_once() -> Iterator[None]:
    """Within the block, a launch puts interpreted functions into triton.language once.

    The interpreter does so again in every call of a device function, which changes nothing and
    takes most of the time. Nothing is done where the interpreter has no such function any more.
    """
    patch = getattr(interpreter, "_patch_lang", None)
    if patch is None:
        yield
        return

    def once(function):
        # A builtin that has been replaced is no builtin until the launch is over.
        modules = [
            value for value in function.__globals__.values() if value is tl or value is tl.core
        ]
        if any(tl.core.is_builtin(module.load) for module in modules):
            return patch(function)
        return interpreter._LangPatchScope()

    interpreter._patch_lang = once
    try:
        yield
    finally:
        interpreter._patch_lang = patch
