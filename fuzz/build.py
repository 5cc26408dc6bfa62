"""Build the fuzzer into a folder: instrumented kernels, the targets, and a libFuzzer binary.

    python fuzz/build.py FOLDER

Needs clang with its fuzzer and sanitizer runtimes, Cython, setuptools and numpy.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SANITIZE = "-fsanitize=fuzzer-no-link,address,undefined"
TARGETS_SETUP = """
import os
from Cython.Build import cythonize
from setuptools import Extension, setup
flags = os.environ["FUZZ_FLAGS"].split()
target = Extension("targets", ["targets.pyx"], extra_compile_args=flags)
setup(name="targets", ext_modules=cythonize([target], include_path=[os.environ["FUZZ_SRC"]],
      compiler_directives={"language_level": 3, "boundscheck": False, "wraparound": False}))
"""


def main() -> None:
    where = Path(sys.argv[1]).resolve()
    clang = shutil.which("clang")
    if clang is None:
        sys.exit("fuzz: clang is not installed (Debian: clang, libclang-rt-14-dev)")
    shutil.rmtree(where, ignore_errors=True)
    ignore = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(ROOT / "atlas_fast", where / "atlas_fast", ignore=ignore)
    tree = where / "source"
    shutil.copytree(ROOT / "src_pyx", tree / "src_pyx")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree / name)
    flags = f"-O1 -g -fno-omit-frame-pointer {SANITIZE} -fno-sanitize-recover=undefined"
    environment = os.environ | {
        "CC": clang,
        "LDSHARED": f"{clang} -shared",
        "CFLAGS": flags,
        "ATLAS_FAST_BUILD": "fuzz",
        "FUZZ_FLAGS": flags,
        "FUZZ_SRC": str(tree / "src_pyx"),
    }
    build = [sys.executable, "setup.py", "-q", "build_ext"]
    subprocess.run([*build, "--build-lib", str(where)], cwd=tree, env=environment, check=True)
    shutil.copy(ROOT / "fuzz" / "targets.pyx", tree / "targets.pyx")
    (tree / "setup.py").write_text(TARGETS_SETUP)
    subprocess.run([*build, "--build-lib", str(where)], cwd=tree, env=environment, check=True)
    library = sysconfig.get_config_var("LIBDIR")
    version = sysconfig.get_config_var("LDVERSION")
    subprocess.run(
        [
            clang, "-O1", "-g", "-fsanitize=fuzzer,address,undefined", str(ROOT / "fuzz/main.c"),
            f"-I{sysconfig.get_path('include')}", f"-L{library}", f"-Wl,-rpath,{library}",
            f"-lpython{version}", "-rdynamic", "-o", str(where / "fuzzer"),
        ],
        check=True,
    )  # fmt: skip
    print(f"built {where / 'fuzzer'}")


if __name__ == "__main__":
    main()
