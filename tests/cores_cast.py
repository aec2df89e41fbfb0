"""Fake cores behind a real router."""

import asyncio
from contextlib import aclosing

from aios.errors import (
    EngineFailed,
    EngineUnreachable,
)
from aios.kernel.ports import CoreInfo, Finish, Prompt
from aios.kernel.routing import Core
from aios.llm.cores.drivers import Drivers
from aios.llm.cores.purse import Purse
from aios.llm.cores.registry import Registry
from aios.llm.cores.router import Router
from aios.llm.cores.states import LocalStates
from aios.settings import LLMSettings, Settings
from aios.testing import FakeDriver

HELLO = Prompt(messages=[{"role": "user", "content": "Hello"}], trace={"x-aios-syscall": "call"})


class Breaks(FakeDriver):
    """Fails after its first token, so many times."""

    def __init__(self, *, name, times=1):
        super().__init__("one two three", name=name)
        self.times = times

    async def generate(self, prompt):
        self.times -= 1
        async for item in super().generate(prompt):
            yield item
            if self.times >= 0:
                raise EngineFailed(self.name, "the stream broke off")


class Serves(FakeDriver):
    """Says which model it serves, unless it is down."""

    def __init__(self, model, *, name):
        super().__init__("ok", name=name)
        self.model = model
        self.tokens = 100

    async def info(self):
        if not self.model:
            raise EngineUnreachable(self.name, "refused")
        return CoreInfo(self.model, self.tokens, 1)


class Cast:
    """A router and its fake cores; `states` outlives it, as Redis does."""

    def __init__(self, *drivers, states=None, mean_quality=0.0, patience_seconds=0.0, **differences):
        self.purse = Purse(mean_quality=mean_quality, patience_seconds=patience_seconds)
        self.drivers = {driver.name: driver for driver in drivers}
        self.cores = [Core(name, "http://x", **{"model": name, **differences.get(name, {})}) for name in self.drivers]
        self.states = states or LocalStates()

    async def start(self):
        settings = Settings(llm=LLMSettings())
        self.router = Router(
            Registry(settings, lambda: self.cores),
            Drivers(lambda core: self.drivers[core.name]),
            self.states,
            self.purse,
        )
        return self.router

    async def ask(self, prompt=HELLO):
        """All items; like an executor it asks for no more once it has the end."""
        items = []
        async with aclosing(self.router.generate(prompt)) as given:
            async for item in given:
                items.append(item)
                if isinstance(item, Finish):
                    break
        return items


def play(cast, *prompts):
    """The last item of each generation, or its error."""

    async def run():
        await cast.start()
        ends = []
        for prompt in prompts or (HELLO,):
            try:
                ends.append((await cast.ask(prompt))[-1])
            except Exception as error:
                ends.append(error)
        await cast.router.aclose()
        return ends

    return asyncio.run(run())


def asked(cast):
    return {name: len(driver.asked) for name, driver in cast.drivers.items()}


def named(model, **more):
    return Prompt(messages=HELLO.messages, model=model, **more)
