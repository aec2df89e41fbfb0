"""What becomes of results that are too long."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from aios.kernel.values import canonical
from aios.tools.fit import fit

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=60),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=60)
@given(json_values.filter(lambda value: "\x00" not in str(value) and "\\x00" not in repr(value)), st.integers(2, 200))
def test_a_result_is_itself_or_a_reference_to_all_of_it(value, most):
    try:
        size = len(canonical(value))
    except Exception:  # what cannot be stored is refused before
        return
    kept = []
    result = fit(value, most=most, spill=lambda text: kept.append(text) or "where")
    if size <= most:
        assert result is value
        assert kept == []
    else:
        assert result["spilled"] == "where"
        assert kept == [value if isinstance(value, str) else canonical(value).decode()]
        assert result["bytes"] == len(kept[0].encode())
        assert kept[0].startswith(result["beginning"])
