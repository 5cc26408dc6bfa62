"""Every seed once through its target, without a fuzzer: `scripts/asan` runs it on the gcc build.

An input is a copy of its exact size, so that the address sanitizer sees a read past its end.
"""

import sys

import seeds
import targets
from table import TARGETS


def main() -> None:
    if "--plant" in sys.argv:
        targets.read_past_the_end(b"0123456789")
        sys.exit("the sanitizer saw nothing of a planted over-read")
    for target in TARGETS:
        inputs = [*seeds.kept(target), *seeds.from_vectors(target), *seeds.generated(target), b""]
        if len(inputs) < 2:
            sys.exit(f"{target} has no seeds")
        for data in inputs:
            for cut in {0, 1, len(data) // 2, len(data) - 1, len(data)}:
                targets.run_once(target, data[: max(cut, 0)])
        print(f"{target}: {len(inputs)} seeds replayed")


if __name__ == "__main__":
    main()
