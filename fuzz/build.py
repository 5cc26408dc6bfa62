"""Build the kernels with sanitizers and coverage, the fuzz targets, and the libFuzzer binary.

    python fuzz/build.py FOLDER [clang|gcc]

clang (with its fuzzer and sanitizer runtimes) makes FOLDER/fuzzer; gcc makes the modules only, for
`scripts/asan`. FOLDER then holds a whole atlas_fast that can be imported. Needs Cython, setuptools
and numpy. Nothing is done when FOLDER is newer than every source.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SANITIZE = "-O1 -g -ffp-contract=off -fno-omit-frame-pointer -fno-sanitize-recover=undefined"
FLAGS = {
    "clang": f"{SANITIZE} -fsanitize=fuzzer-no-link,address,undefined",
    "gcc": f"{SANITIZE} -DATLAS_PLAIN -fsanitize=address,undefined",
}
MODE = {"clang": "fuzz", "gcc": "asan"}
TARGETS_SETUP = """
import os
from Cython.Build import cythonize
from setuptools import Extension, setup
flags = os.environ["FUZZ_FLAGS"].split()
parts = [
    Extension(name, [name + ".pyx"], extra_compile_args=flags, extra_link_args=flags)
    for name in ("caching", "doors", "names", "places", "storing", "targets")
]
setup(name="targets", ext_modules=cythonize(parts, include_path=["src_pyx", "."],
      compiler_directives={"language_level": 3, "boundscheck": False, "wraparound": False}))
"""


def fuzzer_runtime(clang: str) -> bool:
    """Does this clang have libFuzzer? Debian packs it apart."""
    name = "libclang_rt.fuzzer-x86_64.a"
    try:
        said = subprocess.run([clang, f"-print-file-name={name}"], capture_output=True, text=True)
    except OSError:
        return False
    if Path(said.stdout.strip()).is_file():
        return True
    resources = subprocess.run([clang, "-print-resource-dir"], capture_output=True, text=True)
    return any(Path(resources.stdout.strip()).glob("lib/**/libclang_rt.fuzzer*.a"))


def can_embed(clang: str) -> bool:
    """Is there a libpython to link against? Debian packs it with the headers."""
    command = [clang, "-x", "c", "-", *embed_flags(), "-o", os.devnull]
    code = "#include <Python.h>\nint main(void) { Py_Initialize(); return 0; }\n"
    return subprocess.run(command, input=code, text=True, capture_output=True).returncode == 0


def embed_flags() -> list[str]:
    library, version = sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("LDVERSION")
    system = f"{sysconfig.get_config_var('LIBS')} {sysconfig.get_config_var('SYSLIBS')}".split()
    include = sysconfig.get_path("include")
    return [
        *os.environ.get("CPPFLAGS", "").split(), f"-I{include}", f"-L{library}",
        f"-Wl,-rpath,{library}", f"-lpython{version}", *system, "-rdynamic",
    ]  # fmt: skip


def sources(root: Path) -> list[Path]:
    """Every file that the build reads."""
    names = ["setup.py", "pyproject.toml", "README.md", "LICENSE"]
    found = [root / name for name in names]
    for folder, pattern in (
        ("src_pyx", "*.p[yx][xd]"),
        ("src_pyx", "*.h"),
        ("atlas_fast", "*.py"),
        ("fuzz", "*"),
    ):
        found += [path for path in (root / folder).rglob(pattern) if path.is_file()]
    return found


def is_fresh(where: Path, root: Path) -> bool:
    done = where / "done"
    return done.is_file() and all(
        path.stat().st_mtime < done.stat().st_mtime for path in sources(root)
    )


def build(where: Path, compiler: str = "clang", root: Path = ROOT) -> None:
    where = where.resolve()
    if is_fresh(where, root):
        return
    tool = shutil.which(compiler)
    if tool is None or (compiler == "clang" and not fuzzer_runtime(tool)):
        print(f"fuzz: no {compiler}, or not its fuzzer (Debian: clang libclang-rt-14-dev)")
        sys.exit(3)
    if compiler == "clang" and not can_embed(tool):
        print("fuzz: no libpython to link against (Debian: libpython3-dev)")
        sys.exit(3)
    shutil.rmtree(where, ignore_errors=True)
    ignore = shutil.ignore_patterns("*.so", "__pycache__")
    shutil.copytree(root / "atlas_fast", where / "atlas_fast", ignore=ignore)
    tree = where / "source"
    shutil.copytree(root / "src_pyx", tree / "src_pyx")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, tree / name)
    environment = os.environ | {
        "CC": tool,
        "LDSHARED": f"{tool} -shared",
        "CFLAGS": FLAGS[compiler],
        "ATLAS_FAST_BUILD": MODE[compiler],
        "FUZZ_FLAGS": FLAGS[compiler],
    }
    command = [sys.executable, "setup.py", "-q", "build_ext", "--build-lib", str(where)]
    quietly(command, tree, environment)
    for source in (root / "fuzz").glob("*.p[xy][dx]"):
        shutil.copy(source, tree / source.name)
    (tree / "setup.py").write_text(TARGETS_SETUP)
    (tree / "pyproject.toml").unlink()
    quietly(command, tree, environment)
    if compiler == "clang":
        link_fuzzer(tool, root / "fuzz" / "main.c", where / "fuzzer")
    (where / "done").touch()


def quietly(command: list[str], where: Path, environment: dict[str, str]) -> None:
    """Run a build; its output is shown when it fails."""
    done = subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{done.stdout}\n{done.stderr}\nfuzz: the build failed")


def link_fuzzer(clang: str, source: Path, fuzzer: Path) -> None:
    sanitize = "-fsanitize=fuzzer,address,undefined"
    command = [clang, "-O1", "-g", sanitize, str(source), *embed_flags(), "-o", str(fuzzer)]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    build(Path(sys.argv[1]), *sys.argv[2:3])
