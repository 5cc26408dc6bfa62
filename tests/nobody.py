"""Code run without root's right to read and write anywhere."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import atlas_fast

ENV = os.environ | {"PYTHONPATH": str(Path(atlas_fast.__file__).parents[1])}
DROP = """
import contextlib, importlib, os, pkgutil, sys
import atlas_fast
LEFT_OUT = ("atlas_fast.__main__", "atlas_fast.drop_in", "atlas_fast.migrations")
for module in pkgutil.walk_packages(atlas_fast.__path__, "atlas_fast."):
    if not module.name.startswith(LEFT_OUT):
        with contextlib.suppress(ImportError):  # of an extra; the interpreter is root's own
            importlib.import_module(module.name)
if os.getuid() == 0:
    os.setgroups([]), os.setgid(65534), os.setuid(65534)
try:
    os.listdir(), open(sys.modules["numpy"].__file__).close()
except PermissionError as error:
    print(error)
    os._exit(77)
"""


def as_nobody(tmp_path, code, *arguments):
    """Run `code` as another user when the tests run as root; its `sys.argv[1:]` are `arguments`.

    The way to `tmp_path` is opened to that user; skips the test where that cannot be done, or where
    the packages lie out of reach.
    """
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_uid == os.getuid() and folder != folder.parent:
            with contextlib.suppress(OSError):
                folder.chmod(folder.stat().st_mode | 0o055)
    done = subprocess.run(
        [sys.executable, "-c", DROP + code, *map(str, arguments)],
        capture_output=True, text=True, cwd=tmp_path, env=ENV,
    )  # fmt: skip
    if done.returncode == 77:
        pytest.skip(f"closed to other users: {done.stdout}")
    return done
