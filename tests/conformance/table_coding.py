"""Cases of Transfer-Encoding: which codings are read, how they may be written, and Content-Length
beside them.

What it is: the part of the table where the coding is named; the body is a plain chunked one, or
bytes that some reader would take for a request. Its rules: RFC 9112 sections 6.1 and 6.3;
`chunked`, once and alone, is read; what comes behind it or repeats it is 400; what comes before it,
or is no registered coding, is 501; beside Content-Length, or on HTTP/1.0, it is 400. What it does
not know: the chunks themselves, which are in `table_chunks.py`.
"""

from tests.conformance.case import Case, get, lines, post, refuses, seen, seen_head, stays

NO = refuses(400)
UNKNOWN = refuses(501)
BODY = b"5\r\nhello\r\n0\r\n\r\n"
EMPTY = b"0\r\n\r\n"
INNER = get(target=b"/smuggled")
WRAPPED = b"%x\r\n" % len(INNER) + INNER + b"\r\n" + EMPTY
OLD = b"POST / HTTP/1.0"


def good(name: str, line: bytes, note: str) -> Case:
    """A spelling of `chunked` that is read."""
    return Case(f"coding-{name}", post(line, body=BODY), stays(seen("POST", body=b"hello")), note)


def bad(name: str, line: bytes, note: str, status: int = 400) -> Case:
    """A field, or several, that must not be read as `chunked`; a chunked body follows."""
    return Case(f"coding-{name}", post(line, body=BODY), refuses(status), note)


def unknown(name: str, value: bytes, note: str) -> Case:
    """A coding, or a list of them, that sigil does not read: 501."""
    return bad(f"unknown-{name}", b"Transfer-Encoding: " + value, note, 501)


def wrapped(method: str, note: str) -> Case:
    """A method with a chunked body that looks like a request."""
    raw = lines(
        method.encode() + b" / HTTP/1.1", b"Host: a", b"Transfer-Encoding: chunked", body=WRAPPED
    )
    return Case(f"coding-{method.lower()}-body", raw, stays(seen(method, body=INNER)), note)


GOOD = (
    good(
        "chunked",
        b"Transfer-Encoding: chunked",
        "The one coding that every recipient reads (RFC 9112 6.1).",
    ),
    good("capital", b"Transfer-Encoding: Chunked", "Codings have no case (RFC 9112 7)."),
    good("capitals", b"Transfer-Encoding: CHUNKED", "Nor in capitals (RFC 9112 7)."),
    good("mixed-case", b"Transfer-Encoding: cHuNkEd", "Nor in any mixture (RFC 9112 7)."),
    good("no-space", b"Transfer-Encoding:chunked", "No space is needed (RFC 9112 5.1)."),
    good(
        "white-space-around",
        b"Transfer-Encoding:\t chunked \t",
        "White space around a value is no part of it (RFC 9112 5.1).",
    ),
    good(
        "leading-tab",
        b"Transfer-Encoding:\tchunked",
        "A tab before the value is OWS (RFC 9112 5.1).",
    ),
    good(
        "trailing-space",
        b"Transfer-Encoding: chunked ",
        "A space behind the value is OWS (RFC 9112 5.1).",
    ),
    good(
        "trailing-tab",
        b"Transfer-Encoding: chunked\t",
        "A tab behind the value is OWS (RFC 9112 5.1).",
    ),
    good(
        "lower-case-name", b"transfer-encoding: chunked", "Field names have no case (RFC 9110 5.1)."
    ),
    good(
        "beside-te",
        b"TE: trailers, chunked\r\nTransfer-Encoding: chunked",
        "TE speaks of the answer (RFC 9110 10.1.4).",
    ),
    Case(
        "coding-te-only",
        get(b"TE: chunked"),
        stays(seen()),
        "TE announces no body (RFC 9110 10.1.4).",
    ),
    Case(
        "coding-content-encoding",
        post(b"Content-Encoding: chunked", b"Content-Length: 5", body=b"hello"),
        stays(seen("POST", body=b"hello")),
        "Content-Encoding frames nothing (RFC 9110 8.4).",
    ),
    *(
        wrapped(
            method,
            f"TE.0: the chunked body of {method} is read, and not left for the next request "
            "(RFC 9112 6.3).",
        )
        for method in ("GET", "OPTIONS", "DELETE", "PUT")
    ),
    Case(
        "coding-head-body",
        lines(b"HEAD / HTTP/1.1", b"Host: a", b"Transfer-Encoding: chunked", body=WRAPPED),
        stays(seen_head()),
        "TE.0: nor is that of HEAD left (RFC 9112 6.3).",
    ),
    Case(
        "coding-then-request",
        post(b"Transfer-Encoding: chunked", body=EMPTY + INNER),
        stays(seen("POST"), seen(target="/smuggled")),
        "Behind the last chunk the next request begins (RFC 9112 7.1, 9.3.2).",
    ),
)

BOTH = (
    bad(
        "cl-te",
        b"Content-Length: 15\r\nTransfer-Encoding: chunked",
        "CL.TE: both, and they agree (RFC 9112 6.1).",
    ),
    bad(
        "cl-te-shorter",
        b"Content-Length: 3\r\nTransfer-Encoding: chunked",
        "CL.TE: the length is shorter (RFC 9112 6.1).",
    ),
    bad(
        "cl-te-longer",
        b"Content-Length: 500\r\nTransfer-Encoding: chunked",
        "CL.TE: the length is longer (RFC 9112 6.1).",
    ),
    bad(
        "te-cl",
        b"Transfer-Encoding: chunked\r\nContent-Length: 15",
        "TE.CL: both, the other way round (RFC 9112 6.1).",
    ),
    bad(
        "te-cl-zero",
        b"Transfer-Encoding: chunked\r\nContent-Length: 0",
        "TE.CL: a length of zero (RFC 9112 6.1).",
    ),
    bad(
        "te-bad-cl",
        b"Transfer-Encoding: chunked\r\nContent-Length: x",
        "A bad length is not excused by a coding (RFC 9112 6.3).",
    ),
    bad(
        "te-empty-cl",
        b"Transfer-Encoding: chunked\r\nContent-Length:",
        "Nor is an empty one (RFC 9112 6.3).",
    ),
    bad(
        "identity-cl",
        b"Transfer-Encoding: identity\r\nContent-Length: 15",
        "A coding that does nothing, and a length (RFC 9112 6.1).",
    ),
    bad(
        "unknown-cl",
        b"Transfer-Encoding: xchunked\r\nContent-Length: 15",
        "TE.TE: a coding that one side ignores, and a length (RFC 9112 6.1).",
    ),
    bad(
        "empty-te-cl",
        b"Transfer-Encoding:\r\nContent-Length: 15",
        "An empty coding, and a length (RFC 9112 6.1).",
    ),
    Case(
        "coding-cl-te-hidden-request",
        post(
            b"Content-Length: %d" % (len(EMPTY) + len(INNER)),
            b"Transfer-Encoding: chunked",
            body=EMPTY + INNER,
        ),
        NO,
        "CL.TE with a request behind the last chunk: it is never answered (RFC 9112 11.2).",
    ),
    Case(
        "coding-te-cl-hidden-request",
        post(b"Content-Length: 4", b"Transfer-Encoding: chunked", body=WRAPPED),
        NO,
        "TE.CL with a request within a chunk: it is never answered (RFC 9112 11.2).",
    ),
    Case(
        "coding-get-cl-te",
        get(b"Content-Length: 0", b"Transfer-Encoding: chunked"),
        NO,
        "GET with both is refused too (RFC 9112 6.1).",
    ),
    Case(
        "coding-1.0",
        lines(OLD, b"Transfer-Encoding: chunked", body=BODY),
        NO,
        "A coding in HTTP/1.0 is faulty framing (RFC 9112 6.1).",
    ),
    Case(
        "coding-1.0-keep-alive",
        lines(OLD, b"Connection: keep-alive", b"Transfer-Encoding: chunked", body=BODY),
        NO,
        "Also when the connection would be kept (RFC 9112 6.1).",
    ),
    Case(
        "coding-1.0-cl",
        lines(OLD, b"Transfer-Encoding: chunked", b"Content-Length: 15", body=BODY),
        NO,
        "Also when a length is present (RFC 9112 6.1).",
    ),
    Case(
        "coding-1.0-identity",
        lines(OLD, b"Transfer-Encoding: identity"),
        NO,
        "Any Transfer-Encoding in HTTP/1.0 is faulty (RFC 9112 6.1).",
    ),
)

LISTS = (
    bad(
        "chunked-twice",
        b"Transfer-Encoding: chunked, chunked",
        "Chunked is applied once (RFC 9112 6.1).",
    ),
    bad(
        "chunked-two-lines",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Two lines are one list (RFC 9110 5.3).",
    ),
    bad(
        "chunked-two-cases",
        b"Transfer-Encoding: chunked\r\ntransfer-encoding: Chunked",
        "In whatever letters (RFC 9110 5.1).",
    ),
    bad(
        "chunked-gzip",
        b"Transfer-Encoding: chunked, gzip",
        "Chunked is the last coding (RFC 9112 6.3).",
    ),
    bad(
        "chunked-identity",
        b"Transfer-Encoding: chunked, identity",
        "Nothing follows chunked, not even nothing done (RFC 9112 6.3).",
    ),
    bad(
        "chunked-unknown",
        b"Transfer-Encoding: chunked, foo",
        "Nor an unknown coding (RFC 9112 6.3).",
    ),
    bad(
        "chunked-gzip-two-lines",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip",
        "Two lines are one list, in order (RFC 9110 5.3).",
    ),
    bad(
        "chunked-identity-two-lines",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "TE.TE: the second line decides for some (RFC 9112 6.3).",
    ),
    bad(
        "chunked-gzip-chunked",
        b"Transfer-Encoding: chunked, gzip, chunked",
        "Chunked twice with a coding between (RFC 9112 6.1).",
    ),
    bad("gzip", b"Transfer-Encoding: gzip", "Without chunked a request has no end (RFC 9112 6.3)."),
    bad("deflate", b"Transfer-Encoding: deflate", "Whatever the coding (RFC 9112 6.3)."),
    bad("compress", b"Transfer-Encoding: compress", "Also the oldest one (RFC 9112 6.3)."),
    bad(
        "identity",
        b"Transfer-Encoding: identity",
        "Identity is no coding any more and ends nothing (RFC 9112 7).",
    ),
    unknown(
        "gzip-chunked", b"gzip, chunked", "Well framed, but we do not decode gzip (RFC 9112 6.1)."
    ),
    unknown("deflate-chunked", b"deflate, chunked", "Nor deflate (RFC 9112 6.1)."),
    unknown("tight-list", b"gzip,chunked", "A list needs no space (RFC 9110 5.6.1)."),
    unknown(
        "two-lines", b"gzip\r\nTransfer-Encoding: chunked", "Two lines are one list (RFC 9110 5.3)."
    ),
    unknown(
        "list-with-tabs",
        b"gzip\t,\tchunked",
        "A list may hold tabs around its commas (RFC 9110 5.6.1).",
    ),
    unknown("name", b"foo", "A coding never heard of (RFC 9112 6.1)."),
    unknown("name-chunked", b"foo, chunked", "Also with chunked behind it (RFC 9112 6.1)."),
    unknown(
        "name-two-lines", b"foo\r\nTransfer-Encoding: chunked", "Also in two lines (RFC 9112 6.1)."
    ),
    unknown("prefixed", b"xchunked", "A name is matched whole at its start (RFC 9112 7)."),
    unknown("suffixed", b"chunkedx", "And at its end (RFC 9112 7)."),
    unknown("short", b"chunke", "And in full (RFC 9112 7)."),
    unknown(
        "hyphen",
        b"-chunked",
        "A hyphen is a token character and so part of the name (RFC 9110 5.6.2).",
    ),
    unknown("apostrophes", b"'chunked'", "So are apostrophes (RFC 9110 5.6.2)."),
    unknown("brotli", b"br", "A content coding is no transfer coding (RFC 9112 7)."),
    Case(
        "coding-identity-chunked",
        post(b"Transfer-Encoding: identity, chunked", body=BODY),
        refuses(400, 501),
        "Identity was withdrawn: no coding, or an unknown one (RFC 9112 7).",
    ),
)

SYNTAX = (
    bad("empty", b"Transfer-Encoding:", "A coding has a name (RFC 9112 6.1)."),
    bad("only-space", b"Transfer-Encoding: \t", "White space is no name (RFC 9112 6.1)."),
    bad("comma-only", b"Transfer-Encoding: ,", "A list of nothing (RFC 9110 5.6.1)."),
    bad(
        "leading-comma", b"Transfer-Encoding: ,chunked", "An empty element before (RFC 9110 5.6.1)."
    ),
    bad(
        "trailing-comma",
        b"Transfer-Encoding: chunked,",
        "An empty element behind (RFC 9110 5.6.1).",
    ),
    bad(
        "empty-line-first",
        b"Transfer-Encoding:\r\nTransfer-Encoding: chunked",
        "An empty element in a line of its own (RFC 9110 5.3).",
    ),
    bad(
        "empty-line-last",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding:",
        "And behind (RFC 9110 5.3).",
    ),
    bad(
        "parameter", b"Transfer-Encoding: chunked;a=b", "Chunked has no parameters (RFC 9112 7.1)."
    ),
    bad("semicolon", b"Transfer-Encoding: chunked;", "Nor the beginning of any (RFC 9112 7.1)."),
    bad("quality", b"Transfer-Encoding: chunked;q=1", "A weight belongs in TE (RFC 9110 10.1.4)."),
    bad("quoted", b'Transfer-Encoding: "chunked"', "A quoted string is no token (RFC 9112 7)."),
    bad("space-within", b"Transfer-Encoding: x chunked", "Two words are no token (RFC 9112 7)."),
    bad("word-behind", b"Transfer-Encoding: chunked x", "Nor is chunked and a word (RFC 9112 7)."),
    bad("colon", b"Transfer-Encoding: :chunked", "A colon is no token character (RFC 9110 5.6.2)."),
    bad(
        "slash", b"Transfer-Encoding: chunked/1", "A slash is no token character (RFC 9110 5.6.2)."
    ),
    bad(
        "brackets",
        b"Transfer-Encoding: [chunked]",
        "Brackets are no token characters (RFC 9110 5.6.2).",
    ),
    bad(
        "vertical-tab",
        b"Transfer-Encoding: \x0bchunked",
        "A vertical tab is no white space (RFC 9112 5.1).",
    ),
    bad("form-feed", b"Transfer-Encoding: chunked\x0c", "Nor is a form feed (RFC 9112 5.1)."),
    bad(
        "no-break-space",
        b"Transfer-Encoding: \xa0chunked",
        "Nor is a no-break space (RFC 9112 5.1).",
    ),
    bad("next-line", b"Transfer-Encoding: chunked\x85", "Nor is NEL (RFC 9112 5.1)."),
    bad("nul", b"Transfer-Encoding: chunked\x00", "NUL behind the name (RFC 9110 5.5)."),
    bad(
        "obs-text",
        b"Transfer-Encoding: \xffchunked",
        "A byte over ASCII is no token character (RFC 9110 5.6.2).",
    ),
    bad(
        "kelvin-sign",
        b"Transfer-Encoding: chun\xe2\x84\xaaed",
        "A Kelvin sign is no k, though it lowers to one (RFC 9110 5.6.2).",
    ),
    bad("bare-cr", b"Transfer-Encoding: \rchunked", "A bare CR before the name (RFC 9112 2.2)."),
    bad("bare-cr-behind", b"Transfer-Encoding: chunked\r", "And behind it (RFC 9112 2.2)."),
    bad("bare-lf", b"Transfer-Encoding: \nchunked", "A bare LF before the name (RFC 9112 2.2)."),
    bad("bare-lf-behind", b"Transfer-Encoding: chunked\nX: y", "And behind it (RFC 9112 2.2)."),
    bad(
        "folded",
        b"Transfer-Encoding:\r\n chunked",
        "A name in the next line is a fold (RFC 9112 5.2).",
    ),
    bad(
        "folded-behind",
        b"Transfer-Encoding: chunked\r\n , gzip",
        "So is more of the list (RFC 9112 5.2).",
    ),
    bad(
        "space-before-colon",
        b"Transfer-Encoding : chunked",
        "No space before the colon (RFC 9112 5.1).",
    ),
    bad(
        "tab-before-colon",
        b"Transfer-Encoding\t: chunked",
        "No tab before the colon (RFC 9112 5.1).",
    ),
    bad(
        "vertical-tab-before-colon",
        b"Transfer-Encoding\x0b: chunked",
        "Nor any other (RFC 9110 5.1).",
    ),
    bad(
        "nul-in-name",
        b"Transfer\x00-Encoding: chunked",
        "NUL in the name of the field (RFC 9110 5.1).",
    ),
    bad(
        "space-in-name",
        b"Transfer Encoding: chunked",
        "A space in the name of the field (RFC 9110 5.1).",
    ),
    bad(
        "name-in-two-lines", b"Transfer-\r\nEncoding: chunked", "A name of two lines (RFC 9112 5)."
    ),
    Case(
        "coding-leading-space",
        lines(b"POST / HTTP/1.1", b" Transfer-Encoding: chunked", b"Host: a", body=BODY),
        NO,
        "A first field that begins with white space (RFC 9112 2.2).",
    ),
)

CASES = (*GOOD, *BOTH, *LISTS, *SYNTAX)
