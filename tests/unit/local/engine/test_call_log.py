import json

from aios.local.engine.call_log import CallLog


def test_lines_are_there_as_soon_as_they_are_written(tmp_path):
    path = tmp_path / "new" / "calls.jsonl"
    first, second = CallLog(path=path), CallLog(path=path)
    first.write("start", call=1)
    second.write("start", call=2)
    first.write("end", call=1, outcome="ok")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["event"], line["call"]) for line in lines] == [("start", 1), ("start", 2), ("end", 1)]
    assert path.stat().st_mode & 0o777 == 0o600
    first.close()
    second.close()


def test_without_a_file_nothing_happens():
    log = CallLog(path=None)
    log.write("start")
    assert not log.kept
