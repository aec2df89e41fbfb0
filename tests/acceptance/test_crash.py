"""Real processes, killed for real: every agent ends right, every effect is there once, no finished call is made again.

The long form, with every fault and at least 100 kills, is `make chaos`.
"""

from __future__ import annotations

from random import Random

import pytest

from tests.acceptance import chaos, errands, faults
from tests.acceptance.system import System, leave_nothing

pytestmark = pytest.mark.timeout(240)


def test_whatever_dies_every_agent_ends_right_and_nothing_is_done_twice(tmp_path):
    random, tally = Random(20261122), chaos.Tally()
    with System(tmp_path, engine=errands.ENGINE, env=errands.ENV) as system:
        system.longest_outage = 3.0
        for together in (
            (faults.worker_killed, faults.broker_emptied, faults.child_killed),
            (faults.tool_frozen, faults.broker_lost, faults.engine_killed),
            (faults.database_killed, faults.all_workers_killed),
        ):
            print(chaos.strike(system, together, random=random, tally=tally))
        print(chaos.check_tally(system, tally))
    assert tally.kills >= 11
    assert leave_nothing(tmp_path) == []
