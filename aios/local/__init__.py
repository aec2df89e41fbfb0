"""Everything `aios up` runs on one machine: embedded servers, the local engine, workers, and their supervisor."""
