"""`import atlas_fast` loads neither numpy nor a kernel nor an optional package."""

import sys

import atlas_fast

heavy = {"numpy", "orjson", "rich", "pyarrow", "sklearn", "sqlite3", "email"}
loaded = {name for name in sys.modules if name.partition(".")[0] in heavy}
kernels = {name for name in sys.modules if name.startswith("atlas_fast._kernels")}
assert not loaded and not kernels, loaded | kernels
assert set(atlas_fast.__all__) <= set(dir(atlas_fast))
print("sound")
