"""Agents, core and schedulers in virtual time: what a policy is worth, without a machine's noise.

`workload` makes agents from `workload.toml`, `device` is the core, `gates` are the ways to a core (the kernel's policies
and the baselines), `world` runs agents through a gate, `measure` and `sanity` read what happened, `intervals` says how sure
it is, `experiments` are the cells that `python -m benchmarks.policies` runs.
"""
