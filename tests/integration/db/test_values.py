"""What a claim made by a record is given is what a later claim of the same call would read from Postgres."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from aios.db.hot import Hot
from aios.db.session import Database
from aios.kernel.values import stored

_BACK = Hot(
    text("SELECT CAST(:value AS jsonb) AS value").bindparams(bindparam("value", type_=JSONB(none_as_null=False)))
)
_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=4)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(_VALUES, min_size=1, max_size=20))
def test_a_stored_value_is_spelled_as_postgres_spells_it(database_url, values):
    values = [*values, {"b": 1, "aa": 2, "a": 3, "é": 4}, 1e16, -0.0, 1e-7, 1.0, 2.5e300, 5e-324, (1, 2)]
    database = Database(database_url)
    try:
        with database.statement() as tx:
            row = _BACK.first(tx, {"value": values})
    finally:
        database.close()
    assert json.dumps(stored(values)) == json.dumps(row["value"])
