"""The reading of the suite's report: the worse verdict counts, and a run that fell short is no
result.

It runs neither the suite nor a server; the report is written here as the suite writes it.
"""

import json
from pathlib import Path

import pytest

from tests.autobahn.run import (
    SAMPLE,
    Case,
    RunError,
    chosen_cases,
    column_of,
    main,
    read_cases,
    report_lines,
)

OK = {"behavior": "OK", "behaviorClose": "OK", "reportfile": "ok.json"}
BAD = {"behavior": "OK", "behaviorClose": "WRONG CODE", "reportfile": "bad.json"}
DETAILS = {
    "description": "Send <b>close</b> with\ncode 1006",
    "expectation": "1002",
    "result": "sent 1000",
    "resultClose": "",
    "remoteCloseCode": 1000,
    "remoteCloseReason": None,
}


def write_report(folder: Path, **cases: dict[str, str]) -> None:
    """An index of cases, whose names here begin with an underscore and have underscores
    for dots.
    """
    index = {name[1:].replace("_", "."): case for name, case in cases.items()}
    (folder / "index.json").write_text(json.dumps({"server": index}))
    (folder / "bad.json").write_text(json.dumps(DETAILS))


@pytest.mark.parametrize(
    ("behavior", "close", "column"),
    [
        ("OK", "OK", "OK"),
        ("OK", "INFORMATIONAL", "INFORMATIONAL"),
        ("NON-STRICT", "OK", "NON-STRICT"),
        ("OK", "UNCLEAN", "UNCLEAN"),
        ("OK", "FAILED BY CLIENT", "UNCLEAN"),
        ("OK", "WRONG CODE", "FAILED"),
        ("FAILED", "UNCLEAN", "FAILED"),
        ("UNIMPLEMENTED", "OK", "UNIMPLEMENTED"),
    ],
)
def test_the_worse_verdict_counts(behavior: str, close: str, column: str) -> None:
    assert column_of(Case((1, 1), behavior, close, "")) == column


def test_the_report_counts_by_section_and_lists_what_is_not_ok(tmp_path: Path) -> None:
    write_report(tmp_path, _10_1_1=OK, _7_9_5=BAD, _7_9_4=OK)
    lines = list(
        report_lines(read_cases(tmp_path, "Ok, will run 3 test cases against 1 servers"), tmp_path)
    )
    assert [line.split() for line in lines[1:4]] == [
        ["7", "1", ".", ".", ".", "1", "."],
        ["10", "1", ".", ".", ".", ".", "."],
        ["all", "2", ".", ".", ".", "1", "."],
    ]
    assert lines[5:] == [
        "7.9.5  behavior OK, close WRONG CODE",
        "    did:    Send close with code 1006",
        "    wanted: 1002",
        "    got:    sent 1000 ",
        "    closed: 1000 ",
    ]


def test_a_run_that_fell_short_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="left no report"):
        read_cases(tmp_path, "")
    write_report(tmp_path, _1_1_1=OK)
    with pytest.raises(RunError, match="1 cases of 2"):
        read_cases(tmp_path, "Ok, will run 2 test cases against 1 servers")
    write_report(tmp_path)
    with pytest.raises(RunError, match="0 cases"):
        read_cases(tmp_path, "")


def test_the_cases_asked_for_win_over_the_sample() -> None:
    assert chosen_cases("1.*, 7.9.1", True, True) == ("1.*", "7.9.1")
    assert chosen_cases("", True, False) == SAMPLE
    assert chosen_cases("", False, True)[-2:] == ("12.*", "13.*")


def test_a_suite_that_cannot_be_had_is_no_result(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("PYTHON27", raising=False)
    assert main(["--suite", "autobahn"]) == 2
    assert "no Python 2.7" in capsys.readouterr().err
