"""Storage: files of agents, every write of which is a version, in Postgres."""
