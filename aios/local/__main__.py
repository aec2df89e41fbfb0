"""The detached supervisor's own program: `python -m aios.local --data-dir D --report FD`."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from aios import log
from aios.errors import AiosError
from aios.local.detached import Reporter
from aios.local.supervisor import up


def main() -> int:
    """Supervise one data directory until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m aios.local")
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--backend", default="llama")
    parser.add_argument("--no-flower", dest="flower", action="store_false")
    parser.add_argument("--report", type=int, required=True, help="descriptor of the pipe to report to")
    arguments = parser.parse_args()
    log.configure()
    logging.getLogger("httpx").setLevel("WARNING")  # one line per health check otherwise
    reporter = Reporter(arguments.report)
    try:
        up(arguments.data_dir, backend=arguments.backend, flower=arguments.flower, progress=reporter.progress)
    except AiosError as error:
        log.logger(__name__).error("%s", error)  # the message says it all
        reporter.failed(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
