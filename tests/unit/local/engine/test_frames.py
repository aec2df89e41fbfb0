import json

from hypothesis import given
from hypothesis import strategies as st

from aios.local.engine import frames
from aios.local.engine.call import Token


@given(st.text(), st.floats(allow_nan=False, allow_infinity=False, max_value=0) | st.none(), st.booleans())
def test_a_frame_is_one_line_of_json_for_every_reader(text, logprob, special):
    token = Token(7, text, logprob, special=special)
    frame = frames.native(index=1, token=token, top_n=1)
    assert frame.endswith("\n\n")
    assert len(frame[:-2].splitlines()) == 1
    said = json.loads(frame.removeprefix("data: "))
    assert said["token"] == {"id": 7, "text": text, "logprob": logprob, "special": special} == said["top_tokens"][0]
    assert (said["index"], said["generated_text"], said["details"]) == (1, None, None)
