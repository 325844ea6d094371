"""Cases of several requests in one stream, and of streams that end before a request does.

What it is: the part of the table where what follows what is the point. Its rules: RFC 9112 sections
8, 9.3.2 and 9.6; answers come in the order of the requests; an answer owed is given before the
refusal of what follows; what never ended is never answered with 200. What it does not know:
requests behind `Connection: close`, which are in `table_connection.py`.
"""

from tests.conformance.case import (
    Answer,
    Case,
    abandoned,
    closes,
    cut,
    get,
    lines,
    post,
    seen,
    seen_head,
    stays,
)

ONE = get(target=b"/1")
TWO = get(target=b"/2")
HEAD = lines(b"HEAD / HTTP/1.1", b"Host: a")
HELLO = post(b"Content-Length: 5", body=b"hello")
CHUNKED = post(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n")
FIRST, SECOND, POSTED = seen(target="/1"), seen(target="/2"), seen("POST", body=b"hello")
BAD = Answer((400,))
PART = b"GET / HTTP/1.1\r\nHost: a\r\nX: y"


def runs(name: str, raw: bytes, *answers: Answer, note: str) -> Case:
    """Several requests, all answered, and the connection stays."""
    return Case(f"pipeline-{name}", raw, stays(*answers), note)


def breaks(name: str, raw: bytes, *answers: Answer, note: str) -> Case:
    """Several requests, of which the last one answered is refused."""
    return Case(f"pipeline-{name}", raw, closes(*answers), note)


def unfinished(name: str, raw: bytes, note: str) -> Case:
    """A request that the client leaves off."""
    return Case(f"cut-{name}", raw, abandoned(), note)


RUNS = (
    runs("two", ONE + TWO, FIRST, SECOND, note="Two requests at once (RFC 9112 9.3.2)."),
    runs(
        "twelve",
        b"".join(get(target=b"/%d" % i) for i in range(12)),
        *(seen(target=f"/{i}") for i in range(12)),
        note="Twelve answers in the order of the requests (RFC 9112 9.3.2).",
    ),
    runs(
        "post-then-get",
        HELLO + ONE,
        POSTED,
        FIRST,
        note="A request behind a body (RFC 9112 9.3.2).",
    ),
    runs(
        "get-post-get",
        ONE + HELLO + TWO,
        FIRST,
        POSTED,
        SECOND,
        note="An unsafe request between safe ones (RFC 9112 9.3.2).",
    ),
    runs(
        "three-posts",
        HELLO * 3,
        POSTED,
        POSTED,
        POSTED,
        note="Unsafe requests one behind another (RFC 9112 9.3.2).",
    ),
    runs(
        "chunked-then-get",
        CHUNKED + ONE,
        POSTED,
        FIRST,
        note="A request behind a chunked body (RFC 9112 9.3.2).",
    ),
    runs(
        "chunked-then-length",
        CHUNKED + HELLO + CHUNKED,
        POSTED,
        POSTED,
        POSTED,
        note="Each request has a framing of its own (RFC 9112 6.3).",
    ),
    runs(
        "head-then-get",
        HEAD + ONE,
        seen_head(),
        FIRST,
        note="An answer without content has an end (RFC 9112 6.3).",
    ),
    runs(
        "get-head-get",
        ONE + HEAD + TWO,
        FIRST,
        seen_head(),
        SECOND,
        note="Also between others (RFC 9112 6.3).",
    ),
    runs("head-head", HEAD * 2, seen_head(), seen_head(), note="Also twice (RFC 9112 6.3)."),
    runs(
        "trace-between",
        ONE + lines(b"TRACE / HTTP/1.1", b"Host: a") + TWO,
        FIRST,
        Answer((405,)),
        SECOND,
        note="A refused method of good form does not end the stream (RFC 9110 15.5.6).",
    ),
    runs(
        "asterisk-between",
        ONE + lines(b"OPTIONS * HTTP/1.1", b"Host: a") + TWO,
        FIRST,
        Answer((204,)),
        SECOND,
        note="An answer of 204 has no content and an end (RFC 9112 6.3).",
    ),
    runs(
        "crlf-between",
        HELLO + b"\r\n" + ONE,
        POSTED,
        FIRST,
        note="An old client's line end behind a body is skipped (RFC 9112 2.2).",
    ),
    runs(
        "crlf-between-gets",
        ONE + b"\r\n\r\n" + TWO,
        FIRST,
        SECOND,
        note="Empty lines between requests are skipped (RFC 9112 2.2).",
    ),
    runs(
        "crlf-behind",
        ONE + b"\r\n",
        FIRST,
        note="An empty line behind the last request is skipped (RFC 9112 2.2).",
    ),
    runs(
        "different-hosts",
        lines(b"GET /1 HTTP/1.1", b"Host: a") + lines(b"GET /2 HTTP/1.1", b"Host: b"),
        FIRST,
        SECOND,
        note="Each request has a Host of its own (RFC 9112 3.2).",
    ),
    runs(
        "fields-not-kept",
        get(b"X-Seen: y") + get(),
        seen(x_seen="y"),
        seen(x_seen=None),
        note="No field goes over to the next request (RFC 9112 9.3.2).",
    ),
    runs(
        "body-not-kept",
        HELLO + post(),
        POSTED,
        seen("POST"),
        note="Nor does a body (RFC 9112 6.3).",
    ),
)

BREAKS = (
    breaks(
        "good-then-garbage",
        ONE + b"\x00\x01\x02\x03",
        FIRST,
        BAD,
        note="The answer owed comes before the refusal (RFC 9112 9.3.2).",
    ),
    breaks(
        "three-good-then-bad",
        ONE + TWO + HELLO + lines(b"GET /"),
        FIRST,
        SECOND,
        POSTED,
        BAD,
        note="So do three (RFC 9112 9.3.2).",
    ),
    breaks(
        "post-then-bad",
        HELLO + lines(b"GET / HTTP/1.1"),
        POSTED,
        BAD,
        note="So does that of an unsafe request (RFC 9112 9.3.2).",
    ),
    breaks(
        "good-bad-good",
        ONE + lines(b"GET / HTTP/1.1", b"Host: a", b"X : y") + TWO,
        FIRST,
        BAD,
        note="Nothing behind a refusal is answered (RFC 9112 9.6).",
    ),
    breaks(
        "good-then-unknown-method",
        ONE + lines(b"FOO / HTTP/1.1", b"Host: a"),
        FIRST,
        Answer((501,)),
        note="An unknown method behind a good request (RFC 9110 15.6.2).",
    ),
    breaks(
        "good-then-version",
        ONE + lines(b"GET / HTTP/2.0", b"Host: a"),
        FIRST,
        Answer((505,)),
        note="Another version behind a good request (RFC 9110 15.6.6).",
    ),
    breaks(
        "good-then-h2-preface",
        ONE + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        FIRST,
        Answer((505,)),
        note="The HTTP/2 preface comes first or not at all (RFC 9113 3.4).",
    ),
    breaks(
        "good-then-too-much",
        ONE + post(b"Content-Length: 99999999999"),
        FIRST,
        Answer((413,)),
        note="A body too large behind a good request (RFC 9110 15.5.14).",
    ),
    breaks(
        "good-then-bad-chunk",
        ONE + post(b"Transfer-Encoding: chunked", body=b"x\r\n"),
        FIRST,
        BAD,
        note="A bad chunk behind a good request (RFC 9112 7.1).",
    ),
    breaks(
        "head-then-bad",
        HEAD + lines(b"GET / HTTP/1.1"),
        seen_head(),
        BAD,
        note="A refusal of GET behind HEAD has content (RFC 9110 9.3.2).",
    ),
    breaks(
        "body-too-long",
        post(b"Content-Length: 4", body=b"hello\r\n\r\n"),
        seen("POST", body=b"hell"),
        BAD,
        note="A byte too many begins another request, and is a bad one (RFC 9112 6.3).",
    ),
    breaks(
        "lf-between",
        ONE + b"\n" + TWO,
        FIRST,
        BAD,
        note="A bare LF is no empty line (RFC 9112 2.2).",
    ),
    breaks("space-between", ONE + b" " + TWO, FIRST, BAD, note="Nor is a space (RFC 9112 2.2)."),
    breaks(
        "chunks-without-coding",
        post() + b"5\r\nhello\r\n0\r\n\r\n",
        seen("POST"),
        BAD,
        note="Chunks that nothing announced are no body (RFC 9112 6.3).",
    ),
)

CUTS = (
    Case("cut-nothing", b"", cut(), "A client that says nothing gets no answer (RFC 9112 9.5)."),
    Case(
        "cut-empty-lines", b"\r\n\r\n", cut(), "Nor does one that says empty lines (RFC 9112 2.2)."
    ),
    Case(
        "cut-after-get",
        ONE,
        cut(FIRST),
        "A client that ends its side still hears the answer (RFC 9112 9.6).",
    ),
    Case("cut-after-post", HELLO, cut(POSTED), "Also to a body (RFC 9112 9.6)."),
    Case("cut-after-chunked", CHUNKED, cut(POSTED), "Also to a chunked one (RFC 9112 9.6)."),
    Case(
        "cut-after-three",
        ONE + HELLO + TWO,
        cut(FIRST, POSTED, SECOND),
        "Also to several requests (RFC 9112 9.6).",
    ),
    Case(
        "cut-after-close",
        get(b"Connection: close"),
        cut(seen()),
        "Also when both sides close (RFC 9112 9.6).",
    ),
    unfinished("method", b"GE", "A method left off (RFC 9112 8)."),
    unfinished("target", b"GET /", "A target left off (RFC 9112 8)."),
    unfinished("version", b"GET / HTTP/1.", "A version left off (RFC 9112 8)."),
    unfinished(
        "request-line", b"GET / HTTP/1.1\r\n", "A head of a request line only (RFC 9112 8)."
    ),
    unfinished("request-line-cr", b"GET / HTTP/1.1\r", "A line end left off (RFC 9112 8)."),
    unfinished("field-name", b"GET / HTTP/1.1\r\nHos", "A name left off (RFC 9112 8)."),
    unfinished("field-value", PART, "A value left off (RFC 9112 8)."),
    unfinished("head", PART + b"\r\n", "A head without its empty line (RFC 9112 8)."),
    unfinished("head-cr", PART + b"\r\n\r", "A head without its last byte (RFC 9112 8)."),
    unfinished("body-missing", post(b"Content-Length: 5"), "A body that never came (RFC 9112 8)."),
    unfinished(
        "body",
        post(b"Content-Length: 5", body=b"hell"),
        "A body without its last byte (RFC 9112 8).",
    ),
    unfinished(
        "chunks-missing",
        post(b"Transfer-Encoding: chunked"),
        "Chunks that never came (RFC 9112 8).",
    ),
    unfinished(
        "chunk-size",
        post(b"Transfer-Encoding: chunked", body=b"5"),
        "A size left off (RFC 9112 8).",
    ),
    unfinished(
        "chunk-data",
        post(b"Transfer-Encoding: chunked", body=b"5\r\nhell"),
        "Data left off (RFC 9112 8).",
    ),
    unfinished(
        "chunk-end",
        post(b"Transfer-Encoding: chunked", body=b"5\r\nhello"),
        "Data without its line end (RFC 9112 8).",
    ),
    unfinished(
        "last-chunk-missing",
        post(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n"),
        "A body without its last chunk is not complete (RFC 9112 8).",
    ),
    unfinished(
        "last-chunk",
        post(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n"),
        "Nor is one without its last line (RFC 9112 8).",
    ),
    unfinished(
        "trailer",
        post(b"Transfer-Encoding: chunked", body=b"0\r\nX: y\r\n"),
        "Trailers without their end (RFC 9112 8).",
    ),
    Case(
        "cut-good-then-part",
        ONE + PART,
        abandoned(FIRST),
        "The answer owed is given, the rest was never asked (RFC 9112 8).",
    ),
    Case(
        "cut-post-then-part",
        HELLO + post(b"Content-Length: 5", body=b"hell"),
        abandoned(POSTED),
        "Also behind an unsafe request (RFC 9112 8).",
    ),
)

CASES = (*RUNS, *BREAKS, *CUTS)
