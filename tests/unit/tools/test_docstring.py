"""What is read from a docstring."""

from __future__ import annotations

from aios.kernel.chat import ToolExample
from aios.tools import docstring


def test_the_text_before_the_sections_is_the_description():
    def function():
        """Do it.

        Well, and
        fast.

        Returns:
            What was done.
        """

    assert docstring.read(function) == ("Do it. Well, and fast.", {}, ())


def test_arguments_may_have_types_colons_and_several_lines():
    def function():
        """Do it.

        Args:
            one: a text: "x".
            two (int, optional): first line
                note: second line.

                third.
            **rest: others.

        Raises:
            ValueError: never.
        """

    assert docstring.read(function).arguments == {
        "one": 'a text: "x".',
        "two": "first line note: second line. third.",
        "rest": "others.",
    }


def test_no_docstring_is_an_empty_one():
    assert docstring.read(lambda: None) == ("", {}, ())


def test_examples_are_requests_with_the_arguments_of_their_calls():
    def function():
        """Do it.

        Examples:
            Add 1 and 2. -> {"a": 1, "b": 2}
            Anything else is for people -> like this
        """

    assert docstring.read(function).examples == (ToolExample("Add 1 and 2.", {"a": 1, "b": 2}),)
