"""Cases of the field lines: names, colons, values, line ends and folds.

What it is: the part of the table where a field without meaning for sigil shows how fields are read;
`X-Seen` is the field whose value the echo handler reports. Its rules: RFC 9110 section 5 and RFC
9112 sections 2.2 and 5; nothing is repaired but the optional white space around a value. What it
does not know: the fields that frame a message, which have tables of their own.
"""

from tests.conformance.case import Case, get, lines, refuses, seen, stays

NO = refuses(400)
CONTROLS = (*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F)
NAME_CONTROLS = (0x00, 0x01, 0x08, 0x0B, 0x1F, 0x7F, 0x80, 0x85, 0xA0, 0xFF)
DELIMITERS = b'"(),/;<=>?@[\\]{}'
LINE = b"GET / HTTP/1.1"
HOST = b"Host: a"


def value(name: str, line: bytes, text: str, note: str) -> Case:
    """A field line `X-Seen` whose value the handler sees as this text."""
    return Case(f"value-{name}", get(line), stays(seen(x_seen=text)), note)


def good(name: str, line: bytes, note: str) -> Case:
    """A field line that is accepted and means nothing."""
    return Case(f"field-{name}", get(line), stays(seen()), note)


def bad(name: str, line: bytes, note: str) -> Case:
    """A field line, or several, that make the request bad."""
    return Case(f"field-{name}", get(line), NO, note)


NAMES = (
    good(
        "all-token-characters",
        b"!#$%&'*+-.^_`|~09azAZ: y",
        "Every token character may stand in a name (RFC 9110 5.1).",
    ),
    good("one-character", b"x:y", "The shortest name (RFC 9110 5.1)."),
    good("digits", b"123: y", "A name of digits (RFC 9110 5.1)."),
    good("long-name", b"x" * 1000 + b": y", "A long name (RFC 9110 5.1)."),
    good(
        "like-content-length",
        b"Content_Length: 5",
        "An underscore is no hyphen: no length is announced (RFC 9110 5.1).",
    ),
    good(
        "like-transfer-encoding",
        b"Transfer_Encoding: chunked",
        "Nor is a coding announced (RFC 9110 5.1).",
    ),
    good("length-in-other-name", b"X-Content-Length: 5", "A name is matched whole (RFC 9110 5.1)."),
    good("length-in-value", b"X: Content-Length: 5", "A value is no field (RFC 9110 5.5)."),
    bad("no-colon", b"X", "A line without a colon (RFC 9112 5)."),
    bad(
        "no-colon-but-space",
        b"Content-Length 5",
        "A space does not stand in for the colon (RFC 9112 5).",
    ),
    bad("no-colon-but-equals", b"X=y", "Nor does an equals sign (RFC 9112 5)."),
    bad("empty-name", b": y", "A name has at least one character (RFC 9110 5.1)."),
    bad("colon-only", b":", "A colon alone (RFC 9110 5.1)."),
    bad("space-before-colon", b"X : y", "No space before the colon (RFC 9112 5.1)."),
    bad("tab-before-colon", b"X\t: y", "No tab before the colon (RFC 9112 5.1)."),
    bad("spaces-before-colon", b"X   : y", "Nor several spaces (RFC 9112 5.1)."),
    bad("space-within-name", b"X Y: z", "A space within a name (RFC 9110 5.1)."),
    bad("name-in-two-lines", b"X-\r\nY: z", "A name may not go on in the next line (RFC 9112 5)."),
    bad("second-request-line", b"GET / HTTP/1.1", "A request line among the fields (RFC 9112 5)."),
    *(
        bad(
            f"name-delimiter-{byte:#04x}",
            b"X" + bytes((byte,)) + b"Y: z",
            f"The delimiter {byte:c} is no token character (RFC 9110 5.6.2).",
        )
        for byte in DELIMITERS
    ),
    *(
        bad(
            f"name-byte-{byte:#04x}",
            b"X" + bytes((byte,)) + b": y",
            f"The byte {byte:#04x} is no token character and is not trimmed (RFC 9110 5.1).",
        )
        for byte in NAME_CONTROLS
    ),
    Case(
        "field-space-before-first-name",
        lines(LINE, b" X: y", HOST),
        NO,
        "White space between the request line and the first field (RFC 9112 2.2).",
    ),
    Case(
        "field-tab-before-first-name",
        lines(LINE, b"\tX: y", HOST),
        NO,
        "A tab between the request line and the first field (RFC 9112 2.2).",
    ),
    Case(
        "field-space-before-first-host",
        lines(LINE, b" Host: a"),
        NO,
        "A Host that some skip and some read (RFC 9112 2.2).",
    ),
    Case(
        "field-space-line-first",
        lines(LINE, b" ", HOST),
        NO,
        "A line of white space before the fields (RFC 9112 2.2).",
    ),
)

VALUES = (
    value("plain", b"X-Seen: y", "y", "A value and the usual space (RFC 9112 5.1)."),
    value("no-space", b"X-Seen:y", "y", "No space is needed (RFC 9112 5.1)."),
    value(
        "many-spaces",
        b"X-Seen:  \t y \t ",
        "y",
        "White space around a value is no part of it (RFC 9112 5.1).",
    ),
    value(
        "inner-space",
        b"X-Seen: a  b\tc",
        "a  b\tc",
        "White space within a value is part of it (RFC 9110 5.5).",
    ),
    value("empty", b"X-Seen:", "", "A value may be empty (RFC 9110 5.5)."),
    value("only-space", b"X-Seen: \t ", "", "A value of white space is empty (RFC 9112 5.1)."),
    value("colon", b"X-Seen: a:b", "a:b", "Only the first colon divides (RFC 9112 5)."),
    value(
        "second-colon-at-once",
        b"X-Seen::",
        ":",
        "A colon right behind the colon is the value (RFC 9112 5).",
    ),
    value(
        "quotes",
        b'X-Seen: "a',
        '"a',
        "A quote need not be closed where it has no meaning (RFC 9110 5.5).",
    ),
    value(
        "visible",
        b"X-Seen: " + bytes(range(0x21, 0x7F)),
        bytes(range(0x21, 0x7F)).decode(),
        "Every visible ASCII character (RFC 9110 5.5).",
    ),
    value(
        "two-lines",
        b"X-Seen: a\r\nX-Seen: b",
        "a, b",
        "Two lines of a name are one list (RFC 9110 5.3).",
    ),
    value(
        "two-lines-other-case",
        b"X-Seen: a\r\nx-sEEN: b",
        "a, b",
        "Whatever their case (RFC 9110 5.1).",
    ),
    Case(
        "value-absent",
        get(b"X: y"),
        stays(seen(x_seen=None)),
        "A field not sent is not seen (RFC 9110 5).",
    ),
    good("obs-text-low", b"X: \x80", "Bytes from 0x80 are opaque, not wrong (RFC 9110 5.5)."),
    good("obs-text-high", b"X: \xff\xfe", "Up to 0xff (RFC 9110 5.5)."),
    good(
        "obs-text-nel", b"X: a\x85b\xa0c", "NEL and no-break space end no line here (RFC 9110 5.5)."
    ),
    good("utf-8", b"X: \xe2\x82\xac", "UTF-8 is obs-text (RFC 9110 5.5)."),
    good(
        "line-separator",
        b"X: a\xe2\x80\xa8b",
        "A line separator of Unicode ends no line (RFC 9112 2.2).",
    ),
    good("escaped-crlf", b"X: a%0d%0aY: b", "An escape in a value is only text (RFC 9110 5.5)."),
    *(
        bad(
            f"value-byte-{byte:#04x}",
            b"X: a" + bytes((byte,)) + b"b",
            f"The control byte {byte:#04x} in a value (RFC 9110 5.5).",
        )
        for byte in CONTROLS
    ),
    bad("value-leading-nul", b"X: \x00", "A value of one NUL (RFC 9110 5.5)."),
    bad(
        "value-leading-vertical-tab",
        b"X:\x0by",
        "A vertical tab is no white space to trim (RFC 9112 5.1).",
    ),
    bad("value-trailing-form-feed", b"X: y\x0c", "Nor is a form feed (RFC 9112 5.1)."),
)

ENDS = (
    bad("bare-cr", b"X: a\rb", "A bare CR in a value (RFC 9112 2.2)."),
    bad("bare-cr-first", b"X:\ra", "A bare CR before a value (RFC 9112 2.2)."),
    bad("bare-cr-last", b"X: a\r", "CR CR LF is a bare CR and a line end (RFC 9112 2.2)."),
    bad("bare-cr-starts-line", b"\rX: y", "A bare CR before a name (RFC 9112 2.2)."),
    bad("bare-cr-in-name", b"X\rY: z", "A bare CR in a name (RFC 9112 2.2)."),
    bad(
        "bare-cr-as-end",
        b"X: a\rTransfer-Encoding: chunked",
        "A bare CR ends no line, so it hides a field (RFC 9112 2.2).",
    ),
    bad("bare-lf", b"X: a\nb", "A bare LF in a value (RFC 9112 2.2)."),
    bad("bare-lf-first", b"X:\na", "A bare LF before a value (RFC 9112 2.2)."),
    bad("bare-lf-starts-line", b"\nX: y", "A bare LF before a name (RFC 9112 2.2)."),
    bad("bare-lf-in-name", b"X\nY: z", "A bare LF in a name (RFC 9112 2.2)."),
    bad("bare-lf-as-end", b"X: a\nY: b", "A bare LF ends no line (RFC 9112 2.2)."),
    bad(
        "bare-lf-hides-coding",
        b"X: a\nTransfer-Encoding: chunked",
        "Nor one that announces a coding (RFC 9112 2.2).",
    ),
    bad("two-bare-lf", b"X:\n\nGET /smuggled HTTP/1.1", "Two bare LF end no head (RFC 9112 2.2)."),
    bad("lf-cr", b"X: a\n\rY: b", "LF CR is no line end (RFC 9112 2.2)."),
    bad(
        "lf-nul-cr", b"X: a\n\x00\rb", "Each of LF, NUL and CR is wrong in a value (RFC 9110 5.5)."
    ),
    bad("nul-lf", b"X\x00\nY: b", "NUL and LF in a name (RFC 9110 5.1)."),
    Case(
        "field-empty-line-bare-lf",
        b"GET / HTTP/1.1\r\nHost: a\r\n\n",
        NO,
        "The empty line ends in CRLF too (RFC 9112 2.2).",
    ),
    Case(
        "field-empty-line-lf-crlf",
        b"GET / HTTP/1.1\r\nHost: a\n\r\n",
        NO,
        "The last field line ends in CRLF too (RFC 9112 2.2).",
    ),
    Case(
        "field-empty-line-cr-cr-lf",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\r\n",
        NO,
        "CR CR LF is no empty line (RFC 9112 2.2).",
    ),
    Case(
        "field-empty-line-cr-and-byte",
        lines(LINE, HOST, b"\rZGET /smuggled: HTTP/1.1", HOST),
        NO,
        "CR and any byte is no empty line (RFC 9112 2.2).",
    ),
    Case(
        "field-empty-line-bare-cr",
        b"GET / HTTP/1.1\r\nHost: a\r\rX: y\r\n\r\n",
        NO,
        "Two bare CR end no head (RFC 9112 2.2).",
    ),
)

FOLDS = (
    bad("fold-space", b"X: a\r\n b", "A folded value (RFC 9112 5.2)."),
    bad("fold-tab", b"X: a\r\n\tb", "A value folded with a tab (RFC 9112 5.2)."),
    bad("fold-empty", b"X: a\r\n ", "A fold of white space only (RFC 9112 5.2)."),
    bad("fold-before-value", b"X:\r\n a", "A value folded before it begins (RFC 9112 5.2)."),
    bad(
        "fold-hides-length",
        b"X: a\r\n Content-Length: 5",
        "A fold that looks like a length (RFC 9112 5.2).",
    ),
    bad(
        "fold-hides-coding",
        b"X: a\r\n\tTransfer-Encoding: chunked",
        "A fold that looks like a coding (RFC 9112 5.2).",
    ),
    bad("fold-twice", b"X: a\r\n b\r\n c", "Two folds (RFC 9112 5.2)."),
)

CASES = (*NAMES, *VALUES, *ENDS, *FOLDS)
