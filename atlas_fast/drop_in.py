"""After `import atlas_fast.drop_in`, `atlas_email` is this package's `compat`.

`python -m atlas_fast.drop_in PROGRAM [args]` (or `-m MODULE [args]`) runs a program with it. The
original need not be installed; where it is, it is not imported. Modules of it that were imported
before are forgotten; objects that a program holds of them stay what they are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType, TracebackType
from typing import Any

__all__ = ["install", "uninstall"]

ORIGINAL = "atlas_email"
OURS = "atlas_fast.compat"


class _Alias(Loader):
    """Gives the module of `compat` itself, so that there is one of each under both names."""

    def __init__(self, name: str):
        self.name = name
        self._own: tuple[Any, Any] = (None, None)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(self.name)
        self._own = module.__spec__, module.__loader__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """It has run under its own name; the import system wrote the alias's spec into it."""
        module.__spec__, module.__loader__ = self._own
        module.__package__ = module.__spec__.parent if module.__spec__ else None


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != ORIGINAL and not fullname.startswith(ORIGINAL + "."):
            return None
        name = OURS + fullname[len(ORIGINAL) :]
        found = find_spec(name)
        if found is None:
            raise ModuleNotFoundError(
                f"No module named {fullname!r}: atlas_fast.compat has none", name=fullname
            )
        return ModuleSpec(
            fullname, _Alias(name), is_package=found.submodule_search_locations is not None
        )


_finder = _Finder()


def install() -> None:
    """Put the finder first; doing so twice is doing it once."""
    if _finder not in sys.meta_path:
        _forget()
        sys.meta_path.insert(0, _finder)


def uninstall() -> None:
    """Take the finder away again."""
    if _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
        _forget()


def _forget() -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == ORIGINAL]:
        del sys.modules[name]


def main(arguments: Sequence[str]) -> int:
    """Run a program as `python` would, and show an exception of it as `python` would."""
    import os
    import runpy

    words = list(arguments)
    if words[:1] == ["-m"] and len(words) > 1:
        sys.argv = words[1:]
        sys.path.insert(0, os.getcwd())
        return _shown(partial(runpy.run_module, words[1], run_name="__main__", alter_sys=True))
    if words and not words[0].startswith("-"):
        if not os.path.exists(words[0]):
            print(f"drop_in: {words[0]}: there is no such program", file=sys.stderr)
            return 2
        sys.argv = words
        sys.path.insert(0, os.path.dirname(os.path.realpath(words[0])))
        return _shown(partial(runpy.run_path, words[0], run_name="__main__"))
    asked = words in (["-h"], ["--help"])
    usage = "usage: python -m atlas_fast.drop_in PROGRAM [args] | -m MODULE [args]"
    print(usage, file=sys.stdout if asked else sys.stderr)
    return 0 if asked else 2


def _shown(run: Callable[[], object]) -> int:
    """0, or 1 and the program's own traceback on stderr."""
    try:
        run()
    except Exception as error:
        error.__traceback__ = _own(error.__traceback__)
        sys.excepthook(type(error), error, error.__traceback__)
        return 1
    return 0


def _own(trace: TracebackType | None) -> TracebackType | None:
    """Without the frames that lead to the program, and those by which `_Finder` said no."""
    frames = []
    while trace is not None:
        frames.append(trace)
        trace = trace.tb_next
    names = [frame.tb_frame.f_code.co_filename for frame in frames]
    first = next((i for i, name in enumerate(names) if not _leads(name)), len(names))
    last = len(names)
    if names[first:] and names[-1] == __file__:
        while _leads(names[last - 1]):
            last -= 1
        frames[last - 1].tb_next = None
    return frames[first] if first < len(frames) else None


def _leads(file: str) -> bool:
    return file == __file__ or file.startswith(("<frozen runpy", "<frozen importlib"))


if __name__ == "__main__":
    import_module("atlas_fast.drop_in")  # the module that stays imported while the program runs
    sys.exit(main(sys.argv[1:]))
else:
    install()
