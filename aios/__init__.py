"""An operating system for LLM agents: durable syscalls on Celery worker pools, with the truth in Postgres."""
