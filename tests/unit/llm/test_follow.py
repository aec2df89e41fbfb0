from hypothesis import given
from hypothesis import strategies as st

from aios.llm.follow import End, Piece, Rewind, events
from aios.llm.streams import END_INDEX, Entry, Position


def entry(attempt, last, text):
    """An entry whose tokens are the characters of a text."""
    return Entry(Position(attempt, last), tuple((ord(c), c) for c in text))


def ended(attempt, reason="done"):
    return Entry(Position(attempt, END_INDEX), end=reason)


def shown(found):
    """What a client has on its screen."""
    text = ""
    for event in found:
        if isinstance(event, Piece):
            text += event.text
        elif isinstance(event, Rewind):
            assert len(text[: event.keep]) == event.characters
            text = text[: event.keep]
    return text


def follow(*entries, after="0-0"):
    return list(events(entries, after=Position.parse(after)))


def test_tokens_come_once_and_in_order_with_the_place_to_rejoin_from():
    found = follow(entry(1, 2, "ab"), entry(1, 3, "c"), ended(1))
    assert [str(e.at) for e in found[:3]] == ["1-1", "1-2", "1-3"]
    assert shown(found) == "abc"
    assert found[-1] == End(Position(1, END_INDEX), "done")


def test_an_equal_second_attempt_shows_only_what_is_new():
    found = follow(entry(1, 3, "abc"), entry(2, 2, "ab"), entry(2, 5, "cde"), ended(2))
    assert [e.text for e in found if isinstance(e, Piece)] == ["a", "b", "c", "d", "e"]
    assert not any(isinstance(e, Rewind) for e in found)


def test_a_differing_second_attempt_rewinds_to_the_first_difference_and_no_further():
    found = follow(entry(1, 4, "abcd"), entry(2, 4, "abXY"), ended(2))
    assert [e for e in found if isinstance(e, Rewind)] == [Rewind(Position(2, 2), 2, 2)]
    assert shown(found) == "abXY"


def test_a_shorter_second_attempt_takes_the_rest_back():
    assert shown(follow(entry(1, 4, "abcd"), entry(2, 2, "ab"), ended(2))) == "ab"


def test_an_attempt_that_is_to_be_repeated_is_no_end():
    found = follow(entry(1, 1, "a"), ended(1, "again"), entry(2, 1, "a"), ended(2))
    assert [type(e) for e in found] == [Piece, End]


def test_a_gap_says_that_tokens_are_lost():
    assert follow(entry(1, 2, "ab"), entry(1, 5, "de"))[-1].reason == "lost"
    assert follow(entry(1, 5, "de")) == [End(Position(1, 5), "lost")]


def test_what_was_pushed_twice_is_shown_once():
    assert shown(follow(entry(1, 2, "ab"), entry(1, 3, "bc"))) == "abc"


RUNS = st.lists(st.lists(st.text("ab", min_size=1, max_size=4), min_size=0, max_size=4), min_size=1, max_size=4)


def stream(runs):
    """Attempts, each in batches; all but the last broke off."""
    for attempt, batches in enumerate(runs, start=1):
        last = 0
        for batch in batches:
            last += len(batch)
            yield entry(attempt, last, batch)
    yield ended(len(runs))


@given(RUNS)
def test_the_screen_ends_with_the_last_attempts_text(runs):
    assert shown(follow(*stream(runs))) == "".join(runs[-1])


@given(RUNS, st.data())
def test_rejoining_anywhere_shows_the_rest_exactly(runs, data):
    whole = follow(*stream(runs))
    cut = data.draw(st.integers(0, len(whole) - 1))
    after = str(whole[cut - 1].at) if cut else ""
    assert whole[:cut] + follow(*stream(runs), after=after) == whole


def test_a_failed_attempt_is_not_the_end_where_another_one_followed():
    entries = [
        Entry(Position(1, 1), ((1, "a"),)),
        Entry(Position(1, END_INDEX), end="failed"),
        Entry(Position(2, 2), ((1, "a"), (2, "b"))),
        Entry(Position(2, END_INDEX), end="done"),
    ]
    found = list(events(entries, after=Position(0, 0)))
    assert [e.text for e in found if isinstance(e, Piece)] == ["a", "b"]
    assert [e.reason for e in found if isinstance(e, End)] == ["done"]
    assert isinstance(next(iter(events([*entries[1:2], None, *entries[2:]], after=Position(0, 0)))), End)


def test_lost_tokens_are_made_good_by_a_whole_attempt():
    entries = [
        Entry(Position(1, 5), ((5, "e"),)),
        Entry(Position(2, 1), ((1, "a"),)),
        Entry(Position(2, END_INDEX), end="done"),
    ]
    assert [type(e) for e in events(entries, after=Position(0, 0))] == [Piece, End]


def read(*views):
    """What a client shows that reads until silence, again and again, each time from where it stands: as the SDK does."""
    text, at = "", Position(0, 0)
    for view in views:
        for event in events([*view, None], after=at):
            if not isinstance(event, End) or event.reason == "done":
                at = event.at
            if isinstance(event, Piece):
                text += event.text
            elif isinstance(event, Rewind):
                text = text[: event.characters]
    return text


def said(attempt, index, text):
    return Entry(Position(attempt, index), tuple((ord(letter), letter) for letter in text))


def over(attempt, reason, last):
    return Entry(Position(attempt, END_INDEX), end=reason, last=last)


def test_an_attempt_after_one_that_lost_a_token_is_shown_whole():
    one = [said(1, 4, "abaz"), over(1, "failed", 5)]
    two = [said(2, 1, "a"), said(2, 3, "ba"), over(2, "done", 3)]
    assert read(one, one + two[:1], one + two) == "aba"


def test_an_attempt_that_failed_without_a_word_after_a_wipe_doubles_no_text():
    two = [over(2, "failed", 0)]
    three = [said(3, 2, "ab"), over(3, "done", 2)]
    assert read([said(1, 2, "ab")], two, two + three) == "ab"


def test_an_answer_without_text_takes_back_what_was_lost_meanwhile():
    assert read([said(1, 2, "ab")], [over(2, "done", 0)]) == ""
