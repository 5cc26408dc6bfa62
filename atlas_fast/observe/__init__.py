"""Counters and timings of a run, always on: two looks at the clock a stage and batch."""
