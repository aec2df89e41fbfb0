"""Values an operator edits: Celery's, Flower's and AIOS' own settings."""
