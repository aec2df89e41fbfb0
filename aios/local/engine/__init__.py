"""The local engine: a TGI-compatible HTTP server, started as `python -m aios.local.engine`.

One router (TGI's routes, bounds, errors, admission) in front of one of three backends: `llama` (a real model),
`scripted` (answers and faults by schedule) and `simulated` (a timing model).
"""
