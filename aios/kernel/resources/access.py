"""`agent.access`: what the agent may do, and asking a human for more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aios.kernel.request import Request

if TYPE_CHECKING:
    from datetime import timedelta


class Access:
    """`agent.access`: what the agent may do, and asking a human for more."""

    def check(self, operation: str, resource: str) -> Request[bool]:
        """Whether the rules allow the agent something, such as `("read", "file:/groups/staff/plan.md")`; journalled."""
        return Request("access", "check", {"operation": operation, "resource": resource})

    def grant(
        self, operation: str, resource: str, *, reason: str = "", expires: timedelta | None = None
    ) -> Request[str]:
        """Ask a human to allow the agent something; gives the grant's id. No worker is held meanwhile.

        Args:
            operation: what to do: `read`, `write`, `delete`...
            resource: with what, such as `file:/groups/staff/**`.
            reason: shown to the human.
            expires: how long it should hold; None: for good.

        Raises (when awaited):
            ApprovalDenied: the human said no, or nobody answered in time.
        """
        seconds = None if expires is None else expires.total_seconds()
        args = {"operation": operation, "resource": resource, "reason": reason, "seconds": seconds}
        return Request("access", "grant", args)
