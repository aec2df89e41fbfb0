"""The pure core: programs, requests, plans, the replay of a journal, policies and ports. No Celery, SQL or HTTP."""
