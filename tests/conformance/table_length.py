"""Cases of Content-Length: its form, its size, its repetition, and the body that it frames.

What it is: the part of the table where the announced length is the point; no case here has a
Transfer-Encoding. Its rules: RFC 9110 section 8.6 and RFC 9112 sections 6.2 and 6.3; digits only,
one line, one value; leading zeros are zeros; what is numerically over the limit is 413 however long
it is; no length at all is an empty body. What it does not know: Content-Length beside
Transfer-Encoding, which is in `table_coding.py`.
"""

from tests.conformance.case import (
    Answer,
    Case,
    closes,
    get,
    lines,
    post,
    refuses,
    seen,
    seen_head,
    stays,
)

NO = refuses(400)
TOO_MUCH = refuses(413)
HELLO = b"hello"
INNER = get(target=b"/smuggled")
BYTES = bytes(range(256))
LARGE = bytes(range(251)) * 400


def good(name: str, line: bytes, note: str, body: bytes = HELLO) -> Case:
    """A length that frames exactly this body."""
    return Case(f"length-{name}", post(line, body=body), stays(seen("POST", body=body)), note)


def bad(name: str, line: bytes, note: str) -> Case:
    """A length that is refused; five bytes follow, which some would take for the body."""
    return Case(f"length-{name}", post(line, body=HELLO), NO, note)


def too_much(name: str, digits: bytes, note: str) -> Case:
    """A length over the limit, refused before any of the body is sent."""
    return Case(f"length-{name}", post(b"Content-Length: " + digits), TOO_MUCH, note)


def with_body(method: str, note: str) -> Case:
    """A method with a body that looks like a request: it must not be taken for one."""
    raw = lines(
        method.encode() + b" / HTTP/1.1", b"Host: a", b"Content-Length: %d" % len(INNER), body=INNER
    )
    return Case(f"length-{method.lower()}-body", raw, stays(seen(method, body=INNER)), note)


GOOD = (
    good("plain", b"Content-Length: 5", "A length and that many bytes (RFC 9112 6.2)."),
    good("zero", b"Content-Length: 0", "A length of zero (RFC 9110 8.6).", b""),
    good("no-space", b"Content-Length:5", "No space is needed before the value (RFC 9112 5.1)."),
    good(
        "white-space-around",
        b"Content-Length: \t5 \t",
        "White space around a value is no part of it (RFC 9112 5.1).",
    ),
    good("lower-case-name", b"content-length: 5", "Field names have no case (RFC 9110 5.1)."),
    good(
        "leading-zeros",
        b"Content-Length: 005",
        "Leading zeros are digits, and decimal (RFC 9110 8.6).",
    ),
    good(
        "not-octal", b"Content-Length: 010", "010 is ten, not eight (RFC 9110 8.6).", b"0123456789"
    ),
    good("zeros", b"Content-Length: 000", "Several zeros are zero (RFC 9110 8.6).", b""),
    good(
        "thirty-zeros",
        b"Content-Length: " + b"0" * 30 + b"5",
        "More digits than 64 bits need, but small (RFC 9110 8.6).",
    ),
    good(
        "five-thousand-zeros",
        b"Content-Length: " + b"0" * 5000 + b"5",
        "More digits than Python converts, but small (RFC 9110 8.6).",
    ),
    good("all-bytes", b"Content-Length: 256", "A body may hold any byte (RFC 9110 6.4).", BYTES),
    good(
        "line-ends-body",
        b"Content-Length: 8",
        "Line ends in a body mean nothing (RFC 9112 6).",
        b"\r\n\r\n\n\n\r\r",
    ),
    good(
        "large", b"Content-Length: %d" % len(LARGE), "A body of many reads (RFC 9112 6.2).", LARGE
    ),
    Case(
        "length-zero-then-request",
        post(b"Content-Length: 0", body=INNER),
        stays(seen("POST"), seen(target="/smuggled")),
        "Behind a body of nothing the next request begins (RFC 9112 6.2, 9.3.2).",
    ),
    Case(
        "length-1.0-body",
        lines(b"POST / HTTP/1.0", b"Content-Length: 5", body=HELLO),
        closes(seen("POST", body=HELLO)),
        "HTTP/1.0 frames bodies by length as well (RFC 9112 6.3).",
    ),
    Case(
        "length-1.0-none",
        lines(b"POST / HTTP/1.0"),
        closes(seen("POST")),
        "HTTP/1.0 without a length is an empty body in a request (RFC 9112 6.3).",
    ),
    with_body("GET", "GET may carry a body, and it is framed (RFC 9110 9.3.1)."),
    with_body("DELETE", "DELETE may carry a body, and it is framed (RFC 9110 9.3.5)."),
    with_body("OPTIONS", "OPTIONS may carry a body, and it is framed (RFC 9110 9.3.7)."),
    with_body("PATCH", "The body of PATCH is framed (RFC 5789 2)."),
    Case(
        "length-head-body",
        lines(b"HEAD / HTTP/1.1", b"Host: a", b"Content-Length: %d" % len(INNER), body=INNER),
        stays(seen_head()),
        "HEAD may carry a body, and it is framed (RFC 9110 9.3.2).",
    ),
    Case(
        "length-options-asterisk-body",
        lines(b"OPTIONS * HTTP/1.1", b"Host: a", b"Content-Length: %d" % len(INNER), body=INNER),
        stays(Answer((204,))),
        "The body of OPTIONS * is framed and dropped (RFC 9110 9.3.7).",
    ),
    Case(
        "length-longer-body",
        post(b"Content-Length: 5", body=b"hello\x00"),
        closes(seen("POST", body=HELLO), *NO.answers),
        "A byte behind the body begins another request, and is a bad one (RFC 9112 6.2).",
    ),
)

BAD = (
    bad("empty", b"Content-Length:", "An empty value is no number (RFC 9110 8.6)."),
    bad("only-space", b"Content-Length:  ", "White space is no number (RFC 9110 8.6)."),
    bad("plus", b"Content-Length: +5", "A sign is no digit (RFC 9110 8.6)."),
    bad("minus", b"Content-Length: -5", "A minus sign is no digit (RFC 9110 8.6)."),
    bad("minus-zero", b"Content-Length: -0", "Not even before zero (RFC 9110 8.6)."),
    bad(
        "minus-huge",
        b"Content-Length: -123456789123456789123456789",
        "Nor before a number that overflows (RFC 9110 8.6).",
    ),
    bad("hex", b"Content-Length: 0x5", "A length is decimal (RFC 9110 8.6)."),
    bad("hex-letters", b"Content-Length: a", "A letter is no digit (RFC 9110 8.6)."),
    bad("word", b"Content-Length: chunked", "A word is no number (RFC 9110 8.6)."),
    bad("suffix", b"Content-Length: 5x", "A number is read whole, not as a prefix (RFC 9112 6.3)."),
    bad("semicolon", b"Content-Length: 5;", "A length has no parameters (RFC 9110 8.6)."),
    bad("point", b"Content-Length: 5.0", "A length is whole (RFC 9110 8.6)."),
    bad("exponent", b"Content-Length: 5e0", "A length has no exponent (RFC 9110 8.6)."),
    bad(
        "underscore",
        b"Content-Length: 0_5",
        "An underscore is no digit, though Python reads it so (RFC 9110 8.6).",
    ),
    bad("quoted", b'Content-Length: "5"', "A quoted number is no number (RFC 9110 8.6)."),
    bad("inner-space", b"Content-Length: 0 5", "A space within the number (RFC 9110 8.6)."),
    bad("inner-tab", b"Content-Length: 0\t5", "A tab within the number (RFC 9110 8.6)."),
    bad(
        "list-equal",
        b"Content-Length: 5, 5",
        "A list of equal lengths is refused too (RFC 9112 6.3).",
    ),
    bad("list-tight", b"Content-Length: 5,5", "A list without space (RFC 9112 6.3)."),
    bad("list-different", b"Content-Length: 5, 6", "A list of different lengths (RFC 9112 6.3)."),
    bad("trailing-comma", b"Content-Length: 5,", "A list of one and nothing (RFC 9112 6.3)."),
    bad("leading-comma", b"Content-Length: ,5", "A list of nothing and one (RFC 9112 6.3)."),
    bad(
        "twice-equal",
        b"Content-Length: 5\r\nContent-Length: 5",
        "Two lines with the same length (RFC 9112 6.3).",
    ),
    bad(
        "twice-different",
        b"Content-Length: 5\r\nContent-Length: 0",
        "Two lines, the longer first (RFC 9112 6.3).",
    ),
    bad(
        "twice-different-reversed",
        b"Content-Length: 0\r\nContent-Length: 5",
        "Two lines, the shorter first (RFC 9112 6.3).",
    ),
    bad(
        "twice-other-case",
        b"Content-Length: 5\r\ncontent-length: 5",
        "Two lines in different letters (RFC 9110 5.1).",
    ),
    bad(
        "twice-empty-first",
        b"Content-Length:\r\nContent-Length: 5",
        "An empty line before a good one (RFC 9112 6.3).",
    ),
    bad(
        "twice-equal-number",
        b"Content-Length: 5\r\nContent-Length: 05",
        "Two spellings of one number (RFC 9112 6.3).",
    ),
    bad(
        "twice-apart",
        b"Content-Length: 5\r\nX: y\r\nContent-Length: 5",
        "Two lines with a field between (RFC 9112 6.3).",
    ),
    bad(
        "superscript",
        b"Content-Length: \xb2",
        "A superscript two is no DIGIT, though Python says so (RFC 5234 B.1).",
    ),
    bad(
        "arabic-digit",
        b"Content-Length: \xd9\xa5",
        "A digit of another script is no DIGIT (RFC 5234 B.1).",
    ),
    bad("full-width-digit", b"Content-Length: \xef\xbc\x95", "Nor is a wide one (RFC 5234 B.1)."),
    bad(
        "no-break-space",
        b"Content-Length: 5\xa0",
        "A no-break space is no white space to trim (RFC 9112 5.1).",
    ),
    bad(
        "next-line", b"Content-Length: 5\x85", "Nor is NEL, though Python strips it (RFC 9112 5.1)."
    ),
    bad("vertical-tab", b"Content-Length: \x0b5", "Nor is a vertical tab (RFC 9112 5.1)."),
    bad("nul", b"Content-Length: 5\x00", "NUL behind the number (RFC 9110 5.5)."),
    bad("space-before-colon", b"Content-Length : 5", "No space before the colon (RFC 9112 5.1)."),
    bad("nel-before-colon", b"Content-Length\x85: 5", "Nor NEL before it (RFC 9110 5.1)."),
    bad("space-in-name", b"Content Length: 5", "Nor a space in the name (RFC 9110 5.1)."),
    bad(
        "line-of-its-own",
        b"Content-Length:\r\n 5",
        "A length in the next line is a fold (RFC 9112 5.2).",
    ),
    bad(
        "folded-digit",
        b"Content-Length: 5\r\n 0",
        "A digit in the next line is a fold (RFC 9112 5.2).",
    ),
    Case(
        "length-leading-space",
        lines(b"POST / HTTP/1.1", b" Content-Length: 5", b"Host: a", body=HELLO),
        NO,
        "A first line that begins with white space (RFC 9112 2.2).",
    ),
    Case(
        "length-leading-tab",
        lines(b"POST / HTTP/1.1", b"\tContent-Length: 5", b"Host: a", body=HELLO),
        NO,
        "A first line that begins with a tab (RFC 9112 2.2).",
    ),
    Case(
        "length-bad-get",
        get(b"Content-Length: x"),
        NO,
        "A bad length is refused for GET too (RFC 9112 6.3).",
    ),
    Case(
        "length-bad-head",
        lines(b"HEAD / HTTP/1.1", b"Host: a", b"Content-Length: x"),
        closes(NO.answers[0]._replace(head=True)),
        "A refusal of HEAD has no content either (RFC 9110 9.3.2).",
    ),
    Case(
        "length-bad-1.0",
        lines(b"POST / HTTP/1.0", b"Content-Length: x"),
        NO,
        "A bad length is refused in HTTP/1.0 too (RFC 9112 6.3).",
    ),
    Case(
        "length-twice-1.0",
        lines(b"POST / HTTP/1.0", b"Content-Length: 5", b"Content-Length: 5", body=HELLO),
        NO,
        "Two lengths are refused in HTTP/1.0 too (RFC 9112 6.3).",
    ),
)

SIZES = (
    too_much(
        "one-too-many", b"%d" % (10 * 2**20 + 1), "One byte over the limit (RFC 9110 15.5.14)."
    ),
    too_much(
        "one-too-many-zeros",
        b"000%d" % (10 * 2**20 + 1),
        "The same with leading zeros (RFC 9110 15.5.14).",
    ),
    too_much("two-to-31", b"%d" % 2**31, "The first number negative in 32 bits (RFC 9110 8.6)."),
    too_much("two-to-32", b"%d" % 2**32, "Zero in 32 bits (RFC 9110 8.6)."),
    too_much("two-to-32-and-5", b"%d" % (2**32 + 5), "Five in 32 bits (RFC 9110 8.6)."),
    too_much("two-to-63", b"%d" % 2**63, "The first number negative in 64 bits (RFC 9110 8.6)."),
    too_much("two-to-64-less-1", b"%d" % (2**64 - 1), "The last number of 64 bits (RFC 9110 8.6)."),
    too_much("two-to-64", b"%d" % 2**64, "Zero in 64 bits (RFC 9110 8.6)."),
    too_much("two-to-64-and-5", b"%d" % (2**64 + 5), "Five in 64 bits (RFC 9110 8.6)."),
    too_much(
        "wraps-unseen",
        b"3" + b"0" * 19,
        "A number whose overflow a comparison does not show (RFC 9110 8.6).",
    ),
    too_much("ten-to-30", b"1" + b"0" * 30, "A number that no machine holds (RFC 9110 8.6)."),
    too_much(
        "five-thousand-digits", b"9" * 5000, "More digits than Python converts (RFC 9110 8.6)."
    ),
    Case(
        "length-too-much-get",
        get(b"Content-Length: 99999999999"),
        TOO_MUCH,
        "The limit binds GET too (RFC 9110 15.5.14).",
    ),
    Case(
        "length-too-much-1.0",
        lines(b"POST / HTTP/1.0", b"Content-Length: 99999999999"),
        TOO_MUCH,
        "The limit binds HTTP/1.0 too (RFC 9110 15.5.14).",
    ),
    Case(
        "length-too-much-under-way",
        post(b"Content-Length: 20000000", body=bytes(200_000)),
        TOO_MUCH,
        "A body under way does not cost the client its answer (RFC 9112 9.6).",
    ),
)

CASES = (*GOOD, *BAD, *SIZES)
