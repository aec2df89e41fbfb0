"""Counting a text's tokens for threads without an event loop: exactly, by the core that will be asked."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from aios.errors import EngineTimeout
from aios.kernel.ports import Prompt, Several, TokenCounter
from aios.llm.loop import LoopThread

if TYPE_CHECKING:
    from collections.abc import Callable

    from aios.kernel.ports import Driver

_SECONDS: Final = 30.0
_BYTES_PER_TOKEN: Final = 3  # of a core that cannot count: rather too many tokens than too few


class Counter:
    """Counts on an event loop of its own. The driver is made when somebody first wants to know."""

    def __init__(self, driver: Callable[[], Driver], *, loop: LoopThread | None = None) -> None:
        self._make = driver
        self._driver: Driver | None = None
        self._lock = threading.Lock()
        self._loop = loop or LoopThread(name="aios-count")

    def count(self, text: str, model: str = "") -> int:
        """Tokens of a text, by the tokenizer of the core that serves `model`.

        Raises:
            Misconfigured: there is no core.
            TransientError: it does not answer.
        """
        with self._lock:
            if self._driver is None:
                self._driver = self._make()
            driver = self._driver
        try:
            return self._loop.run(_counted(driver, Prompt(text=text, model=model)), timeout_seconds=_SECONDS)
        except TimeoutError as error:
            raise EngineTimeout(driver.name, _SECONDS) from error

    def close(self) -> None:
        """End the event loop."""
        with self._lock:
            if self._driver is not None:
                self._loop.run(self._driver.aclose(), timeout_seconds=5.0)
                self._driver = None
        self._loop.close()


async def _counted(driver: Driver, prompt: Prompt) -> int:
    core = await driver.narrowest(prompt) if isinstance(driver, Several) else driver
    if isinstance(core, TokenCounter):
        return await core.count(prompt)
    return len((prompt.text or "").encode()) // _BYTES_PER_TOKEN + 1
