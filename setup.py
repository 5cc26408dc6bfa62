"""Extension modules, their build modes, where packages lie; the rest is in pyproject.toml."""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, find_namespace_packages, setup

SRC = Path("src_pyx")
C_DIR = Path("build/cython")
SHARED = "atlas_fast._kernels._cyutility"  # memoryview support, compiled once for all kernels
MIGRATIONS = {  # they stand at the top of the tree, and are installed below the package
    "atlas_fast.migrations": "migrations",
    "atlas_fast.migrations.versions": "migrations/versions",
}
SANITIZE = "-fsanitize=address,undefined"
SAME = "-ffp-contract=off"  # sums to the last bit the same on every machine
MODES = {  # compiler flags, linker flags, Cython directives
    "release": (["-O3", "-g0", SAME], ["-Wl,--strip-debug"], {}),
    "debug": (["-O0", "-g3", SAME], [], {"boundscheck": True, "initializedcheck": True}),
    "asan": (  # with the plain C that vectors leave untested (processor.pxd)
        ["-O1", "-g", "-fno-omit-frame-pointer", "-DATLAS_PLAIN", SAME, SANITIZE], [SANITIZE], {},
    ),
    "fuzz": ([], [], {}),  # flags come from fuzz/build.py
    "cov": (
        ["-O0", "-g", "-DCYTHON_TRACE=1", "-DCYTHON_TRACE_NOGIL=1"],
        [],
        {"linetrace": True},
    ),
}
mode = os.environ.get("ATLAS_FAST_BUILD", "release")
cflags, ldflags, directives = MODES[mode]
define = [("ATLAS_FAST_BUILD_MODE", f'"{mode}"')]


def extension(name, source):
    return Extension(
        name,
        [str(source)],
        extra_compile_args=cflags,
        extra_link_args=ldflags,
        define_macros=define,
    )


kernels = [
    extension(".".join(path.relative_to(SRC).with_suffix("").parts), path)
    for path in sorted(SRC.rglob("*.pyx"))
]
if mode == "cov":  # coverage wants the C beside the .pyx
    where = {}
else:
    C_DIR.mkdir(parents=True, exist_ok=True)
    kernels.append(extension(SHARED, C_DIR / "_cyutility.c"))
    where = {"build_dir": str(C_DIR), "shared_utility_qualified_name": SHARED}

setup(
    packages=[*find_namespace_packages(include=["atlas_fast*"]), *MIGRATIONS],
    package_dir=MIGRATIONS,
    options={"build_ext": {"parallel": os.cpu_count()}},
    ext_modules=cythonize(
        kernels,
        include_path=[str(SRC)],
        annotate=mode == "debug",
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            "embedsignature": True,
            "freethreading_compatible": True,
        }
        | directives,
        **where,
    )
)
