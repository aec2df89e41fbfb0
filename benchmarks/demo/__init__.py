"""`make demo`: everything started, a dozen agents on the local model, a worker killed on purpose, and what came of it."""
