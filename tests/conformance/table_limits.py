"""Cases of size: how long a target, a head, a chunk line and a body may be, one side of each bound
and the other.

What it is: the part of the table where length is the point; it is written for the bounds of a
default `Limits`. Its rules: RFC 9110 sections 15.5.14 and 15.5.15, RFC 6585 section 5, RFC 9112
sections 2.3, 3 and 7.1.1; what is too long is refused as soon as it is, not when it ends. What it
does not know: numbers that are too large to be lengths, which are in `table_length.py` and
`table_chunks.py`.
"""

from tests.conformance.case import Case, chunked, get, lines, post, refuses, seen, stays

TARGET = 8000
HEAD = 65536
FIELDS = 100
BODY = 10 * 2**20
BIG = bytes(range(256)) * (BODY // 256)
TOO_LARGE = refuses(431)
LONG = b"/" + b"a" * (TARGET - 1)
ABSOLUTE = b"http://a/" + b"b" * (TARGET - 9)


def head_of(length: int) -> bytes:
    """A GET whose head is exactly so long, its empty line included."""
    bare = len(get(b"X: "))
    return get(b"X: " + b"y" * (length - bare))


def fields_of(count: int) -> bytes:
    """A GET with so many field lines, Host included."""
    return get(*(b"X%d: y" % i for i in range(count - 1)))


def extension_of(length: int) -> bytes:
    """A chunked body whose first chunk line is so long, its line end included."""
    return b"5;" + b"a" * (length - 4) + b"\r\nhello\r\n0\r\n\r\n"


def trailers_of(*trailers: bytes) -> bytes:
    """A chunked body of nothing with these trailers."""
    return b"0\r\n" + lines(*trailers)


TARGETS = (
    Case(
        "limit-target",
        get(target=LONG),
        stays(seen(target=LONG.decode())),
        "8000 bytes of target, as every server should take (RFC 9112 3).",
    ),
    Case(
        "limit-target-absolute",
        get(target=ABSOLUTE),
        stays(seen(target=ABSOLUTE.decode())),
        "8000 bytes in absolute-form (RFC 9112 3).",
    ),
    Case(
        "limit-target-over",
        get(target=LONG + b"a"),
        refuses(414),
        "One byte more (RFC 9110 15.5.15).",
    ),
    Case(
        "limit-target-query-over",
        get(target=b"/?" + LONG),
        refuses(414),
        "The query is part of the target (RFC 9110 15.5.15).",
    ),
    Case(
        "limit-target-escapes-over",
        get(target=b"/" + b"%41" * 2700),
        refuses(414),
        "The target is measured as it was sent (RFC 9110 15.5.15).",
    ),
    Case(
        "limit-target-far-over",
        get(target=b"/" + b"a" * 100_000),
        refuses(414),
        "A target longer than a head is still a target too long (RFC 9110 15.5.15).",
    ),
    Case(
        "limit-target-endless",
        b"GET /" + b"a" * 20_000,
        refuses(414),
        "A target that has no end is refused without it (RFC 9110 15.5.15).",
    ),
    Case(
        "limit-target-post-over",
        lines(b"POST " + LONG + b"a HTTP/1.1", b"Host: a"),
        refuses(414),
        "The bound is the same for every method (RFC 9110 15.5.15).",
    ),
)

HEADS = (
    Case(
        "limit-head", head_of(HEAD), stays(seen()), "A head of 64 KiB to the byte (RFC 9110 5.4)."
    ),
    Case("limit-head-over", head_of(HEAD + 1), TOO_LARGE, "One byte more (RFC 6585 5)."),
    Case(
        "limit-head-many-lines-over",
        get(*(b"X%d: " % i + b"y" * 1000 for i in range(80))),
        TOO_LARGE,
        "The bound is for all fields together (RFC 6585 5).",
    ),
    Case(
        "limit-head-name-over",
        get(b"x" * 70_000 + b": y"),
        TOO_LARGE,
        "A name counts as a value does (RFC 6585 5).",
    ),
    Case(
        "limit-head-endless",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 80_000,
        TOO_LARGE,
        "A value that has no end is refused without it (RFC 6585 5).",
    ),
    Case(
        "limit-head-endless-lines",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 12_000,
        TOO_LARGE,
        "Fields that have no end are refused without it (RFC 6585 5).",
    ),
    Case("limit-fields", fields_of(FIELDS), stays(seen()), "A hundred field lines (RFC 9110 5.4)."),
    Case("limit-fields-over", fields_of(FIELDS + 1), TOO_LARGE, "One line more (RFC 6585 5)."),
    Case(
        "limit-fields-equal-over",
        get(*(b"X: y",) * FIELDS),
        TOO_LARGE,
        "Lines count, not names (RFC 6585 5).",
    ),
)

CHUNKS = (
    Case(
        "limit-chunk-line",
        chunked(extension_of(1000)),
        stays(seen("POST", body=b"hello")),
        "A chunk line of some length is read (RFC 9112 7.1.1).",
    ),
    Case(
        "limit-chunk-line-over",
        chunked(extension_of(1100)),
        refuses(400),
        "Extensions are bounded, line by line (RFC 9112 7.1.1).",
    ),
    Case(
        "limit-chunk-line-endless",
        chunked(b"5;" + b"a" * 3000),
        refuses(400),
        "A chunk line that has no end is refused without it (RFC 9112 7.1.1).",
    ),
    Case(
        "limit-chunk-zeros-endless",
        chunked(b"0" * 3000),
        refuses(400),
        "Zeros that have no end are no size (RFC 9112 7.1).",
    ),
    Case(
        "limit-chunk-lines-many",
        chunked(b"1;a=b\r\nx\r\n" * 500 + b"0\r\n\r\n"),
        stays(seen("POST", body=b"x" * 500)),
        "Many small chunks with small extensions are one body (RFC 9112 7.1).",
    ),
    Case(
        "limit-chunk-extensions-over",
        chunked((b"1;" + b"a" * 900 + b"\r\nx\r\n") * 30 + b"0\r\n\r\n"),
        refuses(400),
        "Extensions are bounded for the whole body too (RFC 9112 7.1.1).",
    ),
    Case(
        "limit-trailers",
        chunked(trailers_of(b"X: " + b"y" * 4000)),
        stays(seen("POST")),
        "Trailers of some length are read (RFC 9112 7.1.2).",
    ),
    Case(
        "limit-trailers-over",
        chunked(trailers_of(b"X: " + b"y" * 70_000)),
        TOO_LARGE,
        "Trailers are bounded as heads are (RFC 6585 5).",
    ),
    Case(
        "limit-trailers-endless",
        chunked(b"0\r\nX: " + b"y" * 70_000),
        TOO_LARGE,
        "A trailer that has no end is refused without it (RFC 6585 5).",
    ),
    Case(
        "limit-trailer-fields-over",
        chunked(trailers_of(*(b"X%d: y" % i for i in range(FIELDS + 50)))),
        TOO_LARGE,
        "Trailers are counted as fields are (RFC 6585 5).",
    ),
    Case(
        "limit-trailers-many-over",
        chunked(trailers_of(*(b"X%d: y" % i for i in range(10_000)))),
        TOO_LARGE,
        "So are trailers of many lines (RFC 6585 5).",
    ),
)

BODIES = (
    Case(
        "limit-body",
        post(b"Content-Length: %d" % BODY, body=BIG),
        stays(seen("POST", body=BIG)),
        "A body of 10 MiB to the byte (RFC 9110 8.6).",
    ),
    Case(
        "limit-body-chunked",
        chunked(b"A00000\r\n" + BIG + b"\r\n0\r\n\r\n"),
        stays(seen("POST", body=BIG)),
        "The same in one chunk (RFC 9112 7.1).",
    ),
    Case(
        "limit-body-chunked-over",
        chunked(b"A00000\r\n" + BIG + b"\r\n1\r\n"),
        refuses(413),
        "One byte more in another chunk (RFC 9110 15.5.14).",
    ),
)

CASES = (*TARGETS, *HEADS, *CHUNKS, *BODIES)
