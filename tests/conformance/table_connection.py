"""Cases of Connection, Upgrade and Expect: whether the connection is kept, and what is said before
the answer.

What it is: the part of the table where a field about the connection is the point. Its rules: RFC
9112 sections 9.3 and 9.6, RFC 9110 sections 7.6.1, 7.8 and 10.1.1; `close` anywhere in the list
closes; HTTP/1.0 closes unless asked to keep; an upgrade that nobody offers is ignored. What it does
not know: a WebSocket handshake that succeeds, which has tests of its own.
"""

from tests.conformance.case import (
    CONTINUE,
    Case,
    closes,
    get,
    lines,
    post,
    refuses,
    seen,
    seen_head,
    stays,
    with_fields,
)

OLD = b"GET / HTTP/1.0"
KEPT = with_fields(seen(), ("connection", "keep-alive"))
EXPECT = b"Expect: 100-continue"
FIVE = b"Content-Length: 5"
HELLO = b"hello"
BEHIND = get(target=b"/behind")
HANDSHAKE = (
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


def closing(name: str, fields: bytes, note: str) -> Case:
    """An HTTP/1.1 request that asks to close, in one spelling or another."""
    return Case(f"connection-{name}", get(fields), closes(seen()), note)


def keeping(name: str, fields: bytes, note: str) -> Case:
    """An HTTP/1.1 request that does not ask to close, though it may look so."""
    return Case(f"connection-{name}", get(fields), stays(seen()), note)


def old(name: str, *fields: bytes, keeps: bool, note: str) -> Case:
    """An HTTP/1.0 request, and whether it keeps its connection."""
    return Case(
        f"connection-1.0-{name}",
        lines(OLD, *fields),
        stays(KEPT) if keeps else closes(seen()),
        note,
    )


def expects(name: str, raw: bytes, note: str) -> Case:
    """An expectation that is met: 100, then the answer."""
    return Case(f"expect-{name}", raw, stays(CONTINUE, seen("POST", body=HELLO)), note)


def fails(name: str, value: bytes, note: str) -> Case:
    """An expectation that sigil does not know."""
    return Case(f"expect-{name}", post(b"Expect: " + value, FIVE, body=HELLO), refuses(417), note)


CLOSING = (
    closing("close", b"Connection: close", "The client asks to close (RFC 9112 9.6)."),
    closing("close-capital", b"Connection: Close", "Options have no case (RFC 9110 7.6.1)."),
    closing("close-capitals", b"CONNECTION: CLOSE", "Nor in capitals (RFC 9110 7.6.1)."),
    closing(
        "close-last", b"Connection: keep-alive, close", "Close wins over keep-alive (RFC 9112 9.3)."
    ),
    closing("close-first", b"Connection: close, keep-alive", "Wherever it stands (RFC 9112 9.3)."),
    closing("close-tight", b"Connection: a,close,b", "A list needs no space (RFC 9110 5.6.1)."),
    closing("close-tab", b"Connection: a,\tclose\t", "A list may hold tabs (RFC 9110 5.6.1)."),
    closing(
        "close-empty-elements",
        b"Connection: , close ,,",
        "Empty elements of a list are skipped (RFC 9110 5.6.1.2).",
    ),
    closing(
        "close-second-line",
        b"Connection: keep-alive\r\nConnection: close",
        "Two lines are one list (RFC 9110 5.3).",
    ),
    closing(
        "close-first-line",
        b"Connection: close\r\nConnection: keep-alive",
        "Also the other way round (RFC 9110 5.3).",
    ),
    Case(
        "connection-close-post",
        post(b"Connection: close", FIVE, body=HELLO),
        closes(seen("POST", body=HELLO)),
        "Close is obeyed after the body is read (RFC 9112 9.6).",
    ),
    Case(
        "connection-close-head",
        lines(b"HEAD / HTTP/1.1", b"Host: a", b"Connection: close"),
        closes(seen_head()),
        "Close is obeyed after an answer without content (RFC 9112 9.6).",
    ),
    Case(
        "connection-close-then-request",
        get(b"Connection: close") + BEHIND,
        closes(seen()),
        "No request behind close is answered (RFC 9112 9.6).",
    ),
    Case(
        "connection-close-then-garbage",
        get(b"Connection: close") + b"\x00\x01\x02",
        closes(seen()),
        "Nor is what is no request refused (RFC 9112 9.6).",
    ),
    Case(
        "connection-close-then-much",
        get(b"Connection: close") + bytes(100_000),
        closes(seen()),
        "Bytes not read behind close do not cost the client its answer (RFC 9112 9.6).",
    ),
)

KEEPING = (
    keeping(
        "keep-alive", b"Connection: keep-alive", "HTTP/1.1 keeps its connection (RFC 9112 9.3)."
    ),
    keeping("empty", b"Connection:", "A list may be empty (RFC 9110 5.6.1)."),
    keeping(
        "unknown", b"Connection: foo, bar", "Options never heard of mean nothing (RFC 9110 7.6.1)."
    ),
    keeping(
        "closed", b"Connection: closed", "An option is matched whole at its end (RFC 9110 7.6.1)."
    ),
    keeping("not-close", b"Connection: not-close", "And at its start (RFC 9110 7.6.1)."),
    keeping(
        "close-within",
        b"Connection: en close x",
        "And not as a word within an element (RFC 9110 7.6.1).",
    ),
    keeping("names-host", b"Connection: Host", "Naming Host does not remove it (RFC 9110 7.6.1)."),
    keeping(
        "keep-alive-field",
        b"Keep-Alive: timeout=1, max=1",
        "Keep-Alive is not of HTTP/1.1 (RFC 9112 9.3).",
    ),
    keeping(
        "proxy-connection",
        b"Proxy-Connection: close",
        "Proxy-Connection is for nobody (RFC 9112 C.2.2).",
    ),
    keeping("close-in-value", b"X: Connection: close", "A value is no field (RFC 9110 5.5)."),
    Case(
        "connection-names-length",
        post(b"Connection: Content-Length", FIVE, body=HELLO),
        stays(seen("POST", body=HELLO)),
        "Naming Content-Length does not remove it (RFC 9110 7.6.1).",
    ),
    Case(
        "connection-names-coding",
        post(
            b"Connection: Transfer-Encoding",
            b"Transfer-Encoding: chunked",
            body=b"5\r\nhello\r\n0\r\n\r\n",
        ),
        stays(seen("POST", body=HELLO)),
        "Nor does naming Transfer-Encoding (RFC 9110 7.6.1).",
    ),
)

OLDER = (
    old(
        "keep-alive",
        b"Connection: keep-alive",
        keeps=True,
        note="HTTP/1.0 keeps when asked, and says so (RFC 9112 9.3, C.2.2).",
    ),
    old(
        "keep-alive-capitals",
        b"Connection: Keep-Alive",
        keeps=True,
        note="As browsers of the time wrote it (RFC 9112 C.2.2).",
    ),
    old(
        "keep-alive-in-list",
        b"Connection: foo, keep-alive",
        keeps=True,
        note="Anywhere in the list (RFC 9110 7.6.1).",
    ),
    old(
        "keep-alive-second-line",
        b"Connection: foo\r\nConnection: keep-alive",
        keeps=True,
        note="And in any line (RFC 9110 5.3).",
    ),
    old(
        "keep-alive-close",
        b"Connection: keep-alive, close",
        keeps=False,
        note="Close wins here too (RFC 9112 9.3).",
    ),
    old(
        "close",
        b"Connection: close",
        keeps=False,
        note="Close says what is so anyway (RFC 9112 9.3).",
    ),
    old(
        "unknown",
        b"Connection: foo",
        keeps=False,
        note="Another option does not keep (RFC 9112 9.3).",
    ),
    old(
        "keep-alive-field",
        b"Keep-Alive: 300",
        keeps=False,
        note="The field Keep-Alive alone does not keep (RFC 9112 C.2.2).",
    ),
    old(
        "keep-alive-longer",
        b"Connection: keep-alives",
        keeps=False,
        note="An option is matched whole (RFC 9110 7.6.1).",
    ),
    Case(
        "connection-1.0-then-request",
        lines(OLD) + BEHIND,
        closes(seen()),
        "No request behind an HTTP/1.0 one that does not keep is answered (RFC 9112 9.6).",
    ),
    Case(
        "connection-1.0-kept-twice",
        lines(OLD, b"Connection: keep-alive") * 2,
        stays(KEPT, KEPT),
        "A kept HTTP/1.0 connection carries another such request (RFC 9112 9.3).",
    ),
    Case(
        "connection-1.0-kept-then-not",
        lines(OLD, b"Connection: keep-alive") + lines(OLD),
        closes(KEPT, seen()),
        "Each request decides anew (RFC 9112 9.3).",
    ),
    Case(
        "connection-1.0-post-kept",
        lines(b"POST / HTTP/1.0", b"Connection: keep-alive", FIVE, body=HELLO),
        stays(with_fields(seen("POST", body=HELLO), ("connection", "keep-alive"))),
        "A kept HTTP/1.0 connection frames bodies by length (RFC 9112 6.3).",
    ),
)

UPGRADES = (
    keeping(
        "upgrade-unknown",
        b"Connection: upgrade\r\nUpgrade: foo/2",
        "An upgrade to what nobody knows is ignored (RFC 9110 7.8).",
    ),
    keeping(
        "upgrade-h2c",
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk",
        "An upgrade to HTTP/2 is ignored (RFC 9110 7.8, RFC 9113 3.1).",
    ),
    keeping(
        "upgrade-tls",
        b"Connection: upgrade\r\nUpgrade: TLS/1.0",
        "An upgrade to TLS is ignored (RFC 9110 7.8).",
    ),
    keeping(
        "upgrade-alone",
        b"Upgrade: websocket",
        "Upgrade without Connection means nothing (RFC 9110 7.8).",
    ),
    keeping(
        "upgrade-option-alone",
        b"Connection: upgrade",
        "Nor does Connection without Upgrade (RFC 9110 7.8).",
    ),
    closing(
        "upgrade-and-close",
        b"Connection: upgrade, close\r\nUpgrade: foo",
        "An ignored upgrade does not hide close (RFC 9110 7.8, RFC 9112 9.6).",
    ),
    Case(
        "connection-upgrade-websocket",
        get(*HANDSHAKE),
        stays(seen()),
        "A handshake that the handler answers with 200 is an ordinary request (RFC 9110 7.8).",
    ),
    Case(
        "connection-upgrade-unknown-post",
        post(b"Connection: upgrade", b"Upgrade: foo", FIVE, body=HELLO),
        stays(seen("POST", body=HELLO)),
        "An ignored upgrade does not change the framing (RFC 9110 7.8).",
    ),
    Case(
        "connection-upgrade-h2c-chunked",
        post(
            b"Connection: upgrade",
            b"Upgrade: h2c",
            b"Transfer-Encoding: chunked",
            body=b"5\r\nhello\r\n0\r\n\r\n",
        ),
        stays(seen("POST", body=HELLO)),
        "Nor does it for chunked (RFC 9110 7.8).",
    ),
    Case(
        "connection-upgrade-1.0",
        lines(OLD, *HANDSHAKE),
        closes(seen()),
        "Upgrade in HTTP/1.0 is ignored (RFC 9110 7.8).",
    ),
)

EXPECTS = (
    expects(
        "continue",
        post(EXPECT, FIVE, body=HELLO),
        "The interim answer comes first, even when the body is there (RFC 9110 10.1.1).",
    ),
    expects(
        "continue-capitals",
        post(b"EXPECT: 100-CONTINUE", FIVE, body=HELLO),
        "Expectations have no case (RFC 9110 10.1.1).",
    ),
    expects(
        "continue-white-space",
        post(b"Expect:\t100-continue ", FIVE, body=HELLO),
        "White space around a value is no part of it (RFC 9112 5.1).",
    ),
    expects(
        "continue-chunked",
        post(EXPECT, b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
        "A chunked body is a body (RFC 9110 10.1.1).",
    ),
    Case(
        "expect-continue-twice",
        post(EXPECT, FIVE, body=HELLO) * 2,
        stays(CONTINUE, seen("POST", body=HELLO), CONTINUE, seen("POST", body=HELLO)),
        "Each request has its own interim answer, in order (RFC 9110 10.1.1, RFC 9112 9.3.2).",
    ),
    Case(
        "expect-continue-behind-get",
        get() + post(EXPECT, FIVE, body=HELLO),
        stays(seen(), CONTINUE, seen("POST", body=HELLO)),
        "An interim answer does not overtake an answer (RFC 9112 9.3.2).",
    ),
    Case(
        "expect-continue-close",
        post(EXPECT, FIVE, b"Connection: close", body=HELLO),
        closes(CONTINUE, seen("POST", body=HELLO)),
        "Interim answers do not close (RFC 9110 15.2).",
    ),
    Case(
        "expect-continue-no-body",
        get(EXPECT),
        stays(seen()),
        "No body, no interim answer (RFC 9110 10.1.1).",
    ),
    Case(
        "expect-continue-zero-body",
        post(EXPECT, b"Content-Length: 0"),
        stays(seen("POST")),
        "Nor for a body of nothing (RFC 9110 10.1.1).",
    ),
    Case(
        "expect-continue-1.0",
        lines(b"POST / HTTP/1.0", EXPECT, FIVE, body=HELLO),
        closes(seen("POST", body=HELLO)),
        "HTTP/1.0 knows no interim answers (RFC 9110 10.1.1).",
    ),
    Case(
        "expect-continue-too-much",
        post(EXPECT, b"Content-Length: 99999999999"),
        refuses(413),
        "A body that will not be taken is not asked for (RFC 9110 10.1.1).",
    ),
    Case(
        "expect-continue-bad-framing",
        post(EXPECT, b"Content-Length: x", body=HELLO),
        refuses(400),
        "Nor one whose length is not known (RFC 9110 10.1.1).",
    ),
    Case(
        "expect-continue-bad-coding",
        post(EXPECT, b"Transfer-Encoding: foo"),
        refuses(501),
        "Nor one whose coding is not known (RFC 9110 10.1.1).",
    ),
    Case(
        "expect-continue-bad-chunk",
        post(EXPECT, b"Transfer-Encoding: chunked", body=b"x\r\n"),
        closes(CONTINUE, *refuses(400).answers),
        "A body asked for may still be bad (RFC 9112 7.1).",
    ),
    Case(
        "expect-space-before-colon",
        post(b"Expect : 100-continue", FIVE, body=HELLO),
        refuses(400),
        "0.CL: a field that one side does not see (RFC 9112 5.1).",
    ),
    fails("unknown", b"foo", "An expectation that cannot be met (RFC 9110 10.1.1)."),
    fails("prefixed", b"y 100-continue", "0.CL: the expectation behind a word (RFC 9110 10.1.1)."),
    fails("suffixed", b"100-continues", "An expectation is matched whole (RFC 9110 10.1.1)."),
    fails("other-number", b"101-continue", "There is one such expectation (RFC 9110 10.1.1)."),
    fails(
        "in-list",
        b"100-continue, foo",
        "Every expectation of a list must be met (RFC 9110 10.1.1).",
    ),
    fails("quoted", b'"100-continue"', "A quoted string is no expectation (RFC 9110 10.1.1)."),
    fails("value", b"100-continue=yes", "100-continue has no value (RFC 9110 10.1.1)."),
    Case(
        "expect-unknown-no-body",
        get(b"Expect: foo"),
        refuses(417),
        "An unknown expectation is refused without a body too (RFC 9110 10.1.1).",
    ),
)

CASES = (*CLOSING, *KEEPING, *OLDER, *UPGRADES, *EXPECTS)
