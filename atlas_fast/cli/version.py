"""`version`: what is installed, and how its kernels were built."""

from __future__ import annotations

import argparse
import platform
from typing import Any

from atlas_fast._version import __version__, build_info


def add_verbs(verbs: Any) -> None:
    parser = verbs.add_parser("version", help="print version and build")
    parser.set_defaults(do=do_version)


def do_version(options: argparse.Namespace) -> int:
    build = build_info()
    print(f"atlas-fast {__version__}")
    optimised = "optimised" if build["optimized"] else "not optimised"
    print(f"kernels: {build['mode']}, {optimised}, compiler {build['compiler']}")
    print(f"processor: {build['processor']}")
    print(f"python: {platform.python_implementation()} {platform.python_version()}")
    return 0
