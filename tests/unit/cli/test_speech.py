from __future__ import annotations

import io

from aios.cli.speech import Speech
from aios.sdk.stream import Begun, Ended, Said, Silence, TakenBack


def printed(*events) -> str:
    to = io.StringIO()
    speech = Speech(to)
    for event in events:
        speech.show(event)
    return to.getvalue()


def test_each_text_has_a_heading_and_ends_its_line() -> None:
    first = (Begun("1", "chat"), Said("Hel"), Silence(), Said("lo"), Ended("done"))
    second = (Begun("2.1", "complete"), Said("x\n"), Ended("done"))
    assert printed(*first, *second) == "--- 1 llm.chat\nHello\n--- 2.1 llm.complete\nx\n"


def test_what_began_again_is_said_and_repeated() -> None:
    events = (Begun("1", "chat"), Said("Hello wor"), TakenBack("Hello "), Said("there"), Ended("done"))
    assert printed(*events) == ("--- 1 llm.chat\nHello wor\n--- once more, as its worker died:\nHello there\n")


def test_an_end_without_a_text_is_told() -> None:
    assert printed(Begun("1", "chat"), Ended("done")) == "--- 1 llm.chat\n(no text)\n"
    assert printed(Begun("1", "chat"), Said("Hel"), Ended("failed")) == "--- 1 llm.chat\nHel (failed)\n"


def test_nothing_is_printed_before_something_is_said() -> None:
    assert printed(Begun("1", "chat"), Silence()) == ""
