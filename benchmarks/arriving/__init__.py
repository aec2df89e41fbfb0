"""Open arrivals before the real kernel.

`load` says who comes when, `added` what each call took over the engine's own time, `rivals` how bare Celery and the
published AIOS's FIFO fare with the same arrivals. `benchmarks.arrivals` runs it all.
"""
