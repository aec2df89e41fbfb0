"""The client's face of the scheduler: look at it, choose the policy, set limits and shares."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from aios.db import scheduling
from aios.db.scheduling import Limit
from aios.errors import InvalidArgument
from aios.kernel.access import check_principal
from aios.kernel.keys import checked
from aios.kernel.scheduling import policy
from aios.worker.order import configured, rules_of

if TYPE_CHECKING:
    from aios.bootstrap.parts import Parts
    from aios.kernel.values import JsonObject
    from aios.settings import Settings


class Scheduling:
    """Operations on the scheduler, for the client."""

    settings: Settings
    _parts: Parts

    def scheduling(self) -> JsonObject:
        """The policy with its parameters, tenants' weights, and for each key what waits, what is granted and its limits.

        Raises:
            BrokerUnavailable: Redis does not answer.
        """
        with self._parts.database.statement() as tx:
            choice = scheduling.choice(tx)
        rules = rules_of(choice, self.settings)
        return {
            "policy": rules["name"],
            "parameters": {name: rules[name] for name in configured(self.settings, rules["name"])},
            "chosen": choice.chosen,
            "weights": dict(choice.weights),
            "keys": self._parts.dispatch.ready.overview(),
        }

    def set_policy(self, name: str, **parameters: float) -> None:
        """Order what waits, and what comes, by another policy; all workers follow within a second.

        Args:
            name: `las`, `fair`, `priority`, `rr` or `fifo`.
            **parameters: of that policy; those left out are as the configuration says.

        Raises:
            InvalidArgument: there is no such policy or parameter.
        """
        policy(name, **parameters)
        with self._parts.database.transaction() as tx:
            scheduling.choose(tx, policy=name, parameters=configured(self.settings, name) | parameters)

    def reset_policy(self) -> None:
        """Order by the policy of this client's configuration, and let that of workers that start decide again."""
        name = self.settings.scheduling.policy
        with self._parts.database.transaction() as tx:
            scheduling.choose(tx, policy=name, parameters=configured(self.settings, name))
            scheduling.forget(tx)

    def set_weight(self, tenant: str, weight: float) -> None:
        """Give a tenant a weight under `fair`: one of weight 3 has three times the service of one of weight 1.

        Raises:
            InvalidArgument: it is no positive number, or the tenant is none.
        """
        check_principal(f"tenant:{tenant}")
        if not (math.isfinite(weight) and weight > 0):
            raise InvalidArgument("weight", weight, "give a number greater than 0; everybody's is 1")
        with self._parts.database.transaction() as tx:
            scheduling.weigh(tx, tenant, weight=weight)

    def set_limit(
        self, key: str, *, slots: int | None = None, requests: int | None = None, tokens: int | None = None
    ) -> None:
        """Limit what a key may have; what is left out is unlimited, or for a pool as its workers and cores allow.

        Args:
            key: a pool (`llm`), something limited in it (`tool:browser`), or a tenant's part of either (`llm@acme`).
            slots: calls at once; 0: none.
            requests: calls a minute.
            tokens: tokens a minute, prompts and answers together.

        Raises:
            InvalidArgument: there is no such pool, or a limit is negative.
        """
        for name, value, least in (("slots", slots, 0), ("requests", requests, 1), ("tokens", tokens, 1)):
            if value is not None and not least <= value < 2**31:
                raise InvalidArgument(name, value, f"give a whole number from {least} on")
        with self._parts.database.transaction() as tx:
            scheduling.limit(tx, checked(key), Limit(slots, requests, tokens))
