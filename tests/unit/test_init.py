from __future__ import annotations

import pytest

import aios


def test_the_public_names_are_few_sorted_and_there() -> None:
    assert list(aios.__all__) == sorted(aios.__all__)
    assert len(aios.__all__) <= 25
    for name in aios.__all__:
        assert getattr(aios, name).__name__ == name


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'aios' has no attribute 'Kernel'"):
        aios.Kernel  # noqa: B018
