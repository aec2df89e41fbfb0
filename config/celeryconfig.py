"""Celery's settings, read by `celery -A tasks`. URLs come from AIOS' settings (`AIOS_REDIS_URL`, or the state file).

Acknowledgement is early on purpose: the truth is in Postgres, a message is a doorbell, and with late acknowledgement a
worker of celery 5.7.0 and kombu 5.7.0 dies when Redis goes away under a running task.
"""

from aios import settings
from aios.publisher import BROKER_OPTIONS, queues

_settings = settings.load()

broker_url = _settings.redis_url or "redis://127.0.0.1:6379/0"
broker_transport_options = BROKER_OPTIONS
broker_connection_retry = True
broker_connection_retry_on_startup = True
broker_connection_max_retries = None
broker_channel_error_retry = True  # a Redis that refuses writes for want of memory is tried again, not a reason to end

imports = ("tasks.agent", "tasks.llm", "tasks.memory", "tasks.storage", "tasks.tool", "tasks.system")
task_routes = queues()
task_default_queue = "system"
task_create_missing_queues = True

accept_content = ["json"]
task_serializer = "json"
task_ignore_result = True
task_acks_late = False
task_track_started = False

worker_consumer = "tasks.consumer:Consumer"
worker_prefetch_multiplier = 1
worker_disable_prefetch = True  # a message waits where every worker can take it, never behind a busy thread
worker_pool_start_method = "spawn"  # a fork after psycopg's threads would hang
worker_proc_alive_timeout = 60.0  # a child imports all anew, and waits for Postgres; 4 s would kill it
worker_enable_remote_control = True  # Flower asks workers through it
worker_cancel_long_running_tasks_on_connection_loss = False  # a generation that was paid for is kept

enable_utc = True
timezone = "UTC"
# A ring that nobody heard expires, so that none pile up while no worker runs. Beat and worker compare their own clocks for
# that, so it is long: a worker whose clock is some minutes ahead still hears.
beat_schedule = {
    "cron": {"task": "aios.system.cron", "schedule": 1.0, "options": {"expires": 300}},
    "prune": {"task": "aios.system.prune", "schedule": 3600.0, "options": {"expires": 3600}},
}
beat_max_loop_interval = 1
