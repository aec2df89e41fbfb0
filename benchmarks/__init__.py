"""Benchmarks: ratios against baselines of the same run. Not in the wheel; `aios bench` and `make bench` run them."""
