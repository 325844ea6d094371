"""Every case of the table, sent in three ways to one real server, and the checks that every answer
must pass.

What it is: the runner. A case is sent whole, byte by byte, and in one write behind a good request
whose answer must come first and intact. Then the connection is tried: an open one must answer a
probe and nothing else, a closed one must end without a reset and without another byte. Its rules:
no sleeps, no stand-ins; the server is reached through its public face and a socket only; each check
is shown below to fail when it should. What it does not know: what the RFCs say; that is in the
notes of the table.
"""

import json
import re
from collections.abc import Callable, Iterator

import pytest

from tests.conformance.case import Answer, Case, End, Expect, get, lines, seen, stays
from tests.conformance.serving import Serving
from tests.conformance.table import CASES
from tests.conformance.wire import Reply, Wire
from tests.support.tables import check_each, of_each

FIRST = Case(
    "first", get(target=b"/first"), stays(seen(target="/first")), "A good request (RFC 9112 3)."
)
PROBE = lines(b"GET /probe HTTP/1.1", b"Host: a", b"Connection: close")
DATE = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} "
    r"\d\d:\d\d:\d\d GMT"
)
NAMES = [case.name for case in CASES]


def name_of(case: Case) -> str:
    """What a report calls it."""
    return case.name


@pytest.fixture(scope="module")
def serving() -> Iterator[Serving]:
    """One server for all cases: what one case leaves behind would show in another."""
    with Serving() as running:
        yield running


# -- the checks ------------------------------------------------------------------------------------


def check_reply(reply: Reply, owed: Answer, closing: bool | None) -> None:
    """The answer is the one owed and is well made; `close_state` is what it must say of the
    connection, None if either.
    """
    assert reply.status in owed.statuses, (
        f"status {reply.status}, expected {owed.statuses}: {reply.content[:200]!r}"
    )
    assert reply.version == b"1.1", f"answered in HTTP/{reply.version.decode()}"
    if reply.status < 200:
        check_bare(reply)
        return
    check_date(reply)
    if closing is not None:
        said = "close" in reply.values("connection")
        assert said == closing, f"says close: {said}; Connection: {reply.values('connection')}"
    for name, value in owed.fields:
        assert value.lower() in reply.values(name), (
            f"{name}: {reply.values(name)}, expected {value}"
        )
    if reply.status == 204:
        check_bare(reply)
    elif reply.status >= 400:
        check_refusal(reply, owed.head)
    else:
        check_echo(reply, owed)


def check_bare(reply: Reply) -> None:
    """An answer that has no content frames none (RFC 9110 6.4.1, 8.6, RFC 9112 6.1)."""
    framing = reply.values("content-length") + reply.values("transfer-encoding")
    assert not framing, f"{reply.status} frames content: {framing}"
    assert not reply.content


def check_date(reply: Reply) -> None:
    """Every final answer says when it was made, in the one form (RFC 9110 6.6.1, 5.6.7)."""
    dates = [value for name, value in reply.fields if name == "date"]
    assert len(dates) == 1, f"{len(dates)} Date fields"
    assert DATE.fullmatch(dates[0]), f"Date: {dates[0]}"


def check_refusal(reply: Reply, head: bool) -> None:
    """A refusal says in plain text what was wrong, except to HEAD, which gets no content."""
    assert bool(reply.content) != head, f"content of a refusal: {reply.content[:200]!r}"
    kind = reply.values("content-type")
    assert kind, "a refusal without Content-Type"
    assert kind[0].split(";")[0] == "text/plain", f"Content-Type: {kind}"


def check_echo(reply: Reply, owed: Answer) -> None:
    """The handler saw what was sent."""
    if owed.head:
        lengths = reply.values("content-length")
        assert not reply.content, "content in an answer to HEAD"
        assert lengths != ("0",), (
            "an answer to HEAD says there is no content, GET would have had some"
        )
        return
    understood = json.loads(reply.content)
    for key, value in owed.echo:
        assert understood[key] == value, f"the handler saw {key} {understood[key]!r}, not {value!r}"


def check_answers(connection: Wire, expect: Expect) -> None:
    """The answers owed, in order; an optional one may be missing at the end."""
    last = len(expect.answers) - 1
    for place, owed in enumerate(expect.answers):
        reply = connection.answer(owed.head)
        if reply is None:
            assert owed.optional, (
                f"the connection ended before answer {place + 1} of {last + 1}, {owed.statuses}"
            )
            return
        closing = place == last and expect.end is End.CLOSED
        check_reply(reply, owed, None if expect.end is End.CUT else closing)


def check_end(connection: Wire, end: End) -> None:
    """The connection is as it should be behind the answers, and there is no byte too many."""
    if end is End.OPEN:
        connection.send(PROBE)
        reply = connection.answer(head=False)
        assert reply is not None, "the connection should have stayed open"
        check_reply(reply, seen(target="/probe"), closing=True)
    rest = connection.rest()
    assert not rest, f"bytes behind the last answer: {rest[:200]!r}"


def check_case(connection: Wire, expect: Expect) -> None:
    """Everything that must be so once the bytes are sent."""
    if expect.end is End.CUT:
        connection.finish()
    check_answers(connection, expect)
    check_end(connection, expect.end)


# -- the cases, three ways -------------------------------------------------------------------------


def check_cases(serving: Serving, check: Callable[[Wire, Case], None]) -> None:
    """Every case in one way, each on a connection of its own."""

    def check_one(case: Case) -> None:
        serving.check()
        with Wire(serving.port) as connection:
            check(connection, case)

    check_each(CASES, check_one, name_of)


def test_whole(serving: Serving) -> None:
    """The request arrives in as few reads as the kernel likes."""

    def check(connection: Wire, case: Case) -> None:
        connection.send(case.raw)
        check_case(connection, case.expect)

    check_cases(serving, check)


def test_byte_by_byte(serving: Serving) -> None:
    """The request arrives a byte at a time; the verdict must not depend on it."""

    def check(connection: Wire, case: Case) -> None:
        connection.dribble(case.raw, serving.settle)
        check_case(connection, case.expect)

    check_cases(serving, check)


def test_behind_a_good_request(serving: Serving) -> None:
    """The request arrives in one write with a good one before it, whose answer comes first and
    intact.
    """

    def check(connection: Wire, case: Case) -> None:
        connection.send(FIRST.raw + case.raw)
        check_case(
            connection, Expect((*FIRST.expect.answers, *case.expect.answers), case.expect.end)
        )

    check_cases(serving, check)


# -- the table and the checks themselves -----------------------------------------------------------


def test_the_table_is_large_and_has_no_doubles() -> None:
    """Names are unique, and no two rows ask the same and expect the same."""
    assert len(CASES) >= 200
    assert len(set(NAMES)) == len(CASES)
    assert len({(case.raw, case.expect) for case in CASES}) == len(CASES)


@of_each(CASES, name_of)
def test_the_row_is_sound(case: Case) -> None:
    """A row says why, names its RFC, says what was understood wherever a handler answers, and ends
    as its end says.
    """
    final = [answer for answer in case.expect.answers if answer.statuses != (100,)]
    assert re.fullmatch(r"[A-Z0-9].*\(RFC \d{4} .*\)\.", case.note)
    assert all(answer.echo or answer.head for answer in final if 200 in answer.statuses)
    assert all(max(answer.statuses) < 400 or answer.statuses == (405,) for answer in final[:-1])
    assert case.expect.end is End.CUT or final, "an end that no answer could announce"
    assert (
        case.expect.end is not End.OPEN
        or max(final[-1].statuses) < 400
        or final[-1].statuses == (405,)
    )


GOOD = Reply(
    200,
    b"1.1",
    (("date", "Sun, 06 Nov 1994 08:49:37 GMT"), ("content-length", "2")),
    b'{"method": "GET", "target": "/", "body": ""}',
)
REFUSAL = Reply(
    400,
    b"1.1",
    (*GOOD.fields, ("content-type", "text/plain; charset=utf-8"), ("connection", "close")),
    b"no",
)


def test_the_checks_pass_good_answers() -> None:
    """The two answers that the next test spoils are good to begin with."""
    check_reply(GOOD, seen(), closing=False)
    check_reply(REFUSAL, Answer((400,)), closing=True)


@pytest.mark.parametrize(
    ("reply", "owed", "closing"),
    [
        pytest.param(GOOD._replace(status=201), seen(), False, id="status"),
        pytest.param(GOOD._replace(version=b"1.0"), seen(), False, id="version"),
        pytest.param(GOOD._replace(fields=GOOD.fields[1:]), seen(), False, id="no-date"),
        pytest.param(
            GOOD._replace(fields=(*GOOD.fields, GOOD.fields[0])), seen(), False, id="two-dates"
        ),
        pytest.param(GOOD._replace(fields=(("date", "now"),)), seen(), False, id="bad-date"),
        pytest.param(GOOD, seen(), True, id="close-not-said"),
        pytest.param(REFUSAL, Answer((400,)), False, id="close-said"),
        pytest.param(GOOD, seen("POST"), False, id="method"),
        pytest.param(GOOD, seen(target="/a"), False, id="target"),
        pytest.param(GOOD, seen(body=b"a"), False, id="body"),
        pytest.param(
            GOOD, Answer((200,), fields=(("connection", "keep-alive"),)), False, id="field"
        ),
        pytest.param(GOOD, Answer((200,), head=True), False, id="content-for-head"),
        pytest.param(REFUSAL, Answer((400,), head=True), True, id="refusal-content-for-head"),
        pytest.param(REFUSAL._replace(content=b""), Answer((400,)), True, id="refusal-empty"),
        pytest.param(
            REFUSAL._replace(
                fields=(*GOOD.fields, ("content-type", "text/html"), ("connection", "close"))
            ),
            Answer((400,)),
            True,
            id="refusal-html",
        ),
        pytest.param(
            REFUSAL._replace(fields=(*GOOD.fields, ("connection", "close"))),
            Answer((400,)),
            True,
            id="refusal-untyped",
        ),
        pytest.param(GOOD._replace(status=204), Answer((204,)), False, id="content-in-204"),
        pytest.param(GOOD._replace(status=100), Answer((100,)), None, id="content-in-100"),
    ],
)
def test_the_checks_fail_bad_answers(reply: Reply, owed: Answer, closing: bool | None) -> None:
    """Each check fails when the thing it checks is wrong."""
    with pytest.raises(AssertionError):
        check_reply(reply, owed, closing)
