"""`wsgi.errors`: what is written becomes lines of the log."""

import logging
import threading
import traceback

import pytest

from sigil.wsgi.errors import ErrorStream

LOG = logging.getLogger("sigil.error")


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged."""
    return [record.getMessage() for record in caplog.records]


def test_print_is_one_record(caplog: pytest.LogCaptureFixture) -> None:
    stream = ErrorStream(LOG)
    print("100 %s", 2, file=stream)
    print(file=stream)
    assert messages(caplog) == ["100 %s 2"]
    assert caplog.records[0].levelno == logging.ERROR


def test_what_has_no_line_end_waits_for_the_flush(caplog: pytest.LogCaptureFixture) -> None:
    stream = ErrorStream(LOG)
    assert stream.write("a") == 1
    stream.writelines(["b", "c\nd\n"])
    stream.write("e")
    assert messages(caplog) == ["abc\nd"]
    stream.flush()
    stream.flush()
    assert messages(caplog) == ["abc\nd", "e"]


def test_a_traceback_in_one_write_is_one_record(caplog: pytest.LogCaptureFixture) -> None:
    stream = ErrorStream(LOG)
    try:
        raise KeyError("a")
    except KeyError as error:
        stream.write("".join(traceback.format_exception(error)))
    assert len(caplog.records) == 1


def test_threads_have_lines_of_their_own(caplog: pytest.LogCaptureFixture) -> None:
    stream = ErrorStream(LOG)
    stream.write("one ")
    thread = threading.Thread(target=lambda: stream.write("other\n"))
    thread.start()
    thread.join()
    stream.write("line\n")
    assert messages(caplog) == ["other", "one line"]


def test_it_takes_str() -> None:
    with pytest.raises(TypeError, match=r"wsgi\.errors takes str, not bytes"):
        ErrorStream(LOG).write(b"a")  # type: ignore[arg-type]
