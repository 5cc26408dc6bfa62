"""Run the fuzz targets; `scripts/fuzz` calls this. See README.md beside it.

The exit code is 0 when nothing was found, 1 when something was, 2 for wrong usage, 3 when clang or
its fuzzer is not installed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import plant
import seeds
from table import TARGETS

import build

ROOT = build.ROOT
WORK = ROOT / "build" / "fuzz"
CORPUS = ROOT / "build" / "fuzz-corpus"
FOUND = ROOT / "build" / "fuzz-findings"


def environment(where: Path, target: str) -> dict[str, str]:
    """What the embedded interpreter and the sanitizers need."""
    packages = sysconfig.get_path("purelib")
    return os.environ | {
        "ATLAS_FAST_FUZZ": target,
        "PYTHONHOME": sys.base_prefix,
        "PYTHONPATH": os.pathsep.join([str(where), packages, sysconfig.get_path("platlib")]),
        "PYTHONMALLOC": "malloc",
        "OPENBLAS_NUM_THREADS": "1",
        "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }


def fuzz(
    where: Path, target: str, seconds: int, corpus: Path, found: Path
) -> subprocess.CompletedProcess[str]:
    corpus.mkdir(parents=True, exist_ok=True)
    found.mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        [
            str(where / "fuzzer"), str(corpus), f"-max_total_time={seconds}", "-max_len=4096",
            "-timeout=10", "-rss_limit_mb=1500", "-detect_leaks=0", "-print_final_stats=1",
            f"-artifact_prefix={found}/",
        ],
        cwd=where, env=environment(where, target), capture_output=True, text=True,
        errors="replace", check=False,
    )  # fmt: skip


def statistics(log: str) -> str:
    """Runs, coverage and corpus size, from what libFuzzer printed."""
    runs = next((line.split()[1] for line in log.splitlines() if "number_of_exec" in line), "?")
    last = [line for line in log.splitlines() if " cov: " in line][-1:]
    at = last[0].split() if last else []
    edges = at[at.index("cov:") + 1] if "cov:" in at else "?"
    corpus = at[at.index("corp:") + 1] if "corp:" in at else "?"
    return f"{runs} runs, {edges} edges, corpus {corpus}"


def campaign(targets: list[str], seconds: int) -> int:
    build.build(WORK)
    failed = []
    for target in targets:
        seeds.unpack(target, CORPUS / target)
        done = fuzz(WORK, target, seconds, CORPUS / target, FOUND / target)
        verdict = "nothing found" if done.returncode == 0 else "FOUND, see below"
        print(f"{target}: {statistics(done.stderr)}: {verdict}", flush=True)
        if done.returncode:
            failed.append(target)
            print(done.stderr[-6000:], flush=True)
    if failed:
        print(f"findings of {', '.join(failed)} are in {FOUND.relative_to(ROOT)}/")
    return 1 if failed else 0


def pack(targets: list[str]) -> int:
    """Minimise the corpora of earlier runs into the kept seeds."""
    build.build(WORK)
    for target in targets:
        small = CORPUS / f"{target}.min"
        shutil.rmtree(small, ignore_errors=True)
        small.mkdir(parents=True)
        (CORPUS / target).mkdir(exist_ok=True)
        subprocess.run(
            [str(WORK / "fuzzer"), "-merge=1", str(small), str(CORPUS / target)],
            cwd=WORK, env=environment(WORK, target), capture_output=True, check=True,
        )  # fmt: skip
        print(f"{target}: {seeds.pack(target, small)} seeds kept", flush=True)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description="Fuzz the kernels with libFuzzer.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=30, help="time for each target (30)")
    parser.add_argument("--plant", action="store_true", help="prove the harness by planted faults")
    parser.add_argument("--pack", action="store_true", help="minimise corpora into the kept seeds")
    options = parser.parse_args()
    unknown = sorted(set(options.targets) - set(TARGETS))
    if unknown:
        parser.error(f"no target {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    targets = options.targets or list(TARGETS)
    if options.plant:
        return plant.trial(fuzz)
    if options.pack:
        return pack(targets)
    return campaign(targets, options.seconds)


if __name__ == "__main__":
    sys.exit(main())
