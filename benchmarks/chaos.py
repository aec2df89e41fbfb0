"""The long crash run: `python -m benchmarks.chaos --kills 100`. Every fault in turn, in random order, each checked in full."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from tests.acceptance import chaos, errands, faults
from tests.acceptance.system import System, leave_nothing


def main() -> int:
    """Strike until enough processes were killed; 0 when everything held."""
    options = _options()
    random = Random(options.seed)
    tally = chaos.Tally()
    folder = Path(tempfile.mkdtemp(prefix="aios-chaos-"))
    begun = time.monotonic()
    print(f"seed {options.seed}; logs in {folder}")
    env = {**errands.ENV, "AIOS_WORKER__PROFILE": options.profile, **(errands.PLAIN if options.plain else {})}
    with System(folder, engine=errands.ENGINE, env=env) as system:
        system.longest_outage = options.outage
        while tally.kills < options.kills:
            for fault in random.sample([*faults.EVERY, *faults.LONG], k=len(faults.EVERY) + len(faults.LONG)):
                print(f"{tally.kills:4} kills  {chaos.strike(system, [fault], random=random, tally=tally)}", flush=True)
        counters = chaos.check_tally(system, tally)
    left = leave_nothing(folder)
    print(
        f"{tally.kills} kills in {tally.waves} waves of {chaos.AGENTS} agents, {(time.monotonic() - begun) / 60:.0f} min: "
        f"every agent right, every effect once, no call for a finished syscall; {tally.extra} calls again of "
        f"{tally.leases} held; {counters}"
    )
    print(
        f"from a process being back to the first step: p95 {chaos.percentile(tally.first, 95):.1f} s; "
        f"to each agent's next step: p50 {chaos.percentile(tally.each, 50):.1f} s, "
        f"p95 {chaos.percentile(tally.each, 95):.1f} s, longest {max(tally.each):.1f} s"
    )
    print("no process is left" if not left else f"left behind: {left}")
    return 1 if left else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="strike until so many processes were killed")
    parser.add_argument("--profile", choices=["pools", "fused"], default="pools", help="how work changes hands")
    parser.add_argument("--plain", action="store_true", help="with all that only saves time switched off")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of what strikes when, and whom")
    parser.add_argument("--outage", type=float, default=20.0, help="longest outage of a server, seconds")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
