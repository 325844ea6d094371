"""Cases of the chunked coding: sizes, extensions, data, the last chunk and the trailers.

What it is: the part of the table behind a good `Transfer-Encoding: chunked`. Its rules: RFC 9112
section 7.1; hex digits, then perhaps extensions that follow the grammar, then CRLF; data, then
CRLF; trailers are field lines, checked and dropped; nothing is repaired. What it does not know: how
the coding is announced, which is in `table_coding.py`; how long a line may be, which is in
`table_limits.py`.
"""

from tests.conformance.case import Answer, Case, chunked, closes, get, refuses, seen, stays

NO = refuses(400)
TOO_MUCH = refuses(413)
DATA = b"\r\nhello\r\n"
END = b"0\r\n\r\n"
INNER = get(target=b"/smuggled")
MANY = bytes(range(256)) * 64


def good(name: str, coded: bytes, note: str, body: bytes = b"hello") -> Case:
    """A coded body that decodes to this one."""
    return Case(f"chunk-{name}", chunked(coded), stays(seen("POST", body=body)), note)


def bad(name: str, coded: bytes, note: str) -> Case:
    """A coded body that is refused."""
    return Case(f"chunk-{name}", chunked(coded), NO, note)


def good_extension(name: str, extension: bytes, note: str) -> Case:
    """An extension that is read and ignored."""
    return good(f"extension-{name}", b"5" + extension + DATA + END, note)


def bad_extension(name: str, extension: bytes, note: str) -> Case:
    """What follows a size and is no extension; the data is good."""
    return bad(f"extension-{name}", b"5" + extension + DATA + END, note)


def good_trailer(name: str, trailers: bytes, note: str) -> Case:
    """Trailers that are checked and dropped."""
    return good(f"trailer-{name}", b"5" + DATA + b"0\r\n" + trailers + b"\r\n", note)


def bad_trailer(name: str, trailers: bytes, note: str) -> Case:
    """Trailers that are no field lines."""
    return bad(f"trailer-{name}", b"5" + DATA + b"0\r\n" + trailers + b"\r\n", note)


SIZES = (
    good(
        "three",
        b"1\r\nh\r\n3\r\nell\r\n1\r\no\r\n" + END,
        "Several chunks are one body (RFC 9112 7.1).",
    ),
    good("none", END, "The last chunk alone is an empty body (RFC 9112 7.1).", b""),
    good(
        "last-of-many-zeros",
        b"5" + DATA + b"0000\r\n\r\n",
        "The last chunk is one or more zeros (RFC 9112 7.1).",
    ),
    good("leading-zeros", b"0005" + DATA + END, "A size may have leading zeros (RFC 9112 7.1)."),
    good(
        "thirty-leading-zeros",
        b"0" * 30 + b"5" + DATA + END,
        "More digits than 64 bits need, but small (RFC 9112 7.1).",
    ),
    good(
        "hex-lower-case",
        b"a\r\n0123456789\r\n" + END,
        "A size is hexadecimal (RFC 9112 7.1).",
        b"0123456789",
    ),
    good(
        "hex-upper-case",
        b"A\r\n0123456789\r\n" + END,
        "Hex digits have no case (RFC 9112 7.1).",
        b"0123456789",
    ),
    good(
        "hex-two-digits",
        b"10\r\n0123456789abcdef\r\n" + END,
        "10 is sixteen (RFC 9112 7.1).",
        b"0123456789abcdef",
    ),
    good(
        "data-of-line-ends",
        b"9\r\n\r\n\r\n0\r\n\r\n\r\n" + END,
        "Data is not searched for its end (RFC 9112 7.1).",
        b"\r\n\r\n0\r\n\r\n",
    ),
    good(
        "data-all-bytes",
        b"4000\r\n" + MANY + b"\r\n" + END,
        "Data may hold any byte (RFC 9112 7.1).",
        MANY,
    ),
    good(
        "data-a-request",
        b"%x\r\n" % len(INNER) + INNER + b"\r\n" + END,
        "Data may look like a request (RFC 9112 7.1).",
        INNER,
    ),
    bad("size-empty", DATA + END, "A size has at least one digit (RFC 9112 7.1)."),
    bad(
        "size-empty-as-last", b"5" + DATA + b"\r\n\r\n", "An empty size is not zero (RFC 9112 7.1)."
    ),
    bad("size-no-hex", b"g" + DATA + END, "The letter g is no hex digit (RFC 9112 7.1)."),
    bad("size-prefix", b"5x" + DATA + END, "A size is read whole, not as a prefix (RFC 9112 7.1)."),
    bad(
        "size-word",
        b"5these-bytes-are-not-looked-at" + DATA + END,
        "Whatever follows it (RFC 9112 7.1).",
    ),
    bad("size-0x", b"0x5" + DATA + END, "A size has no 0x before it (RFC 9112 7.1)."),
    bad("size-plus", b"+5" + DATA + END, "Nor a plus sign (RFC 9112 7.1)."),
    bad("size-minus", b"-5" + DATA + END, "Nor a minus sign (RFC 9112 7.1)."),
    bad("size-minus-zero", b"5" + DATA + b"-0\r\n\r\n", "Nor before zero (RFC 9112 7.1)."),
    bad("size-minus-0x", b"5" + DATA + b"-0x0\r\n\r\n", "Nor both (RFC 9112 7.1)."),
    bad(
        "size-underscore",
        b"0_5" + DATA + END,
        "Nor an underscore, though Python reads it (RFC 9112 7.1).",
    ),
    bad("size-point", b"5.0" + DATA + END, "Nor a point (RFC 9112 7.1)."),
    bad("size-comma", b"5,5" + DATA + END, "Nor a list (RFC 9112 7.1)."),
    bad("size-h", b"5h" + DATA + END, "Nor the mark of an assembler (RFC 9112 7.1)."),
    bad("size-quoted", b'"5"' + DATA + END, "Nor quotes (RFC 9112 7.1)."),
    bad("size-nul", b"5\x00" + DATA + END, "Nor NUL (RFC 9112 7.1)."),
    bad("size-superscript", b"\xb2" + DATA + END, "A superscript two is no HEXDIG (RFC 5234 B.1)."),
    bad("size-full-width", b"\xef\xbc\x95" + DATA + END, "Nor is a wide five (RFC 5234 B.1)."),
    bad("size-leading-space", b" 5" + DATA + END, "No white space before the size (RFC 9112 7.1)."),
    bad("size-leading-tab", b"\t5" + DATA + END, "No tab before the size (RFC 9112 7.1)."),
    bad(
        "size-leading-space-last",
        b"5" + DATA + b"  0\r\n\r\n",
        "No white space before the last size (RFC 9112 7.1).",
    ),
    bad(
        "size-trailing-space",
        b"5 " + DATA + END,
        "No white space behind the size without an extension (RFC 9112 7.1).",
    ),
    bad(
        "size-trailing-tab",
        b"5\t" + DATA + END,
        "No tab behind the size without an extension (RFC 9112 7.1).",
    ),
    bad(
        "size-trailing-space-last",
        b"5" + DATA + b"0 \r\n\r\n",
        "Nor behind the last size (RFC 9112 7.1).",
    ),
    bad(
        "size-no-break-space",
        b"5\xa0" + DATA + END,
        "A no-break space is not trimmed (RFC 9112 7.1).",
    ),
    bad("size-vertical-tab", b"5\x0b" + DATA + END, "Nor is a vertical tab (RFC 9112 7.1)."),
    bad(
        "size-17-digits",
        b"1" + b"0" * 16 + b"\r\n",
        "A size that 64 bits do not hold (RFC 9112 7.1).",
    ),
    bad(
        "size-wraps-to-5",
        b"1" + b"0" * 15 + b"5" + DATA + END,
        "A size that is five in 64 bits (RFC 9112 7.1).",
    ),
    bad(
        "size-wraps-to-0",
        b"5" + DATA + b"1" + b"0" * 16 + b"\r\n\r\n",
        "A size that is zero in 64 bits, and so the last for some (RFC 9112 7.1).",
    ),
    bad(
        "size-hundred-digits", b"f" * 100 + b"\r\n", "A size that no machine holds (RFC 9112 7.1)."
    ),
    Case(
        "chunk-size-16-digits",
        chunked(b"f" * 16 + b"\r\n"),
        TOO_MUCH,
        "The last size of 64 bits is over the limit (RFC 9110 15.5.14).",
    ),
    Case(
        "chunk-size-two-to-63",
        chunked(b"8" + b"0" * 15 + b"\r\n"),
        TOO_MUCH,
        "The first size negative in 64 bits is over the limit (RFC 9110 15.5.14).",
    ),
    Case(
        "chunk-size-two-to-32",
        chunked(b"100000005\r\nhello\r\n"),
        TOO_MUCH,
        "A size that is five in 32 bits is over the limit (RFC 9110 15.5.14).",
    ),
    Case(
        "chunk-size-one-too-many",
        chunked(b"A00001\r\n"),
        TOO_MUCH,
        "One byte over the limit is refused before it is sent (RFC 9110 15.5.14).",
    ),
    Case(
        "chunk-total-too-many",
        chunked(b"5" + DATA + b"9FFFFC\r\n"),
        TOO_MUCH,
        "The limit binds the sum of the chunks (RFC 9110 15.5.14).",
    ),
    Case(
        "chunk-size-zeros-then-too-many",
        chunked(b"0" * 20 + b"A00001\r\n"),
        TOO_MUCH,
        "Leading zeros do not hide a size over the limit (RFC 9110 15.5.14).",
    ),
)

FRAMING = (
    bad("data-longer", b"5\r\nhelloX\r\n" + END, "More data than the size said (RFC 9112 7.1)."),
    bad("data-shorter", b"6" + DATA + END, "Less data than the size said (RFC 9112 7.1)."),
    bad("data-no-crlf", b"5\r\nhello" + END, "No line end behind the data (RFC 9112 7.1)."),
    bad("data-lf", b"5\r\nhello\n" + END, "A bare LF behind the data (RFC 9112 7.1)."),
    bad("data-cr", b"5\r\nhello\r" + END, "A bare CR behind the data (RFC 9112 7.1)."),
    bad("data-lf-cr", b"5\r\nhello\n\r" + END, "LF CR behind the data (RFC 9112 7.1)."),
    bad(
        "data-two-bytes",
        b"5\r\nhelloXX" + END,
        "Two other bytes where the line end belongs (RFC 9112 7.1).",
    ),
    bad(
        "data-two-crlf", b"5" + DATA + b"\r\n" + END, "An empty line between chunks (RFC 9112 7.1)."
    ),
    bad("line-lf", b"5\nhello\r\n" + END, "A bare LF behind the size (RFC 9112 7.1, 2.2)."),
    bad("line-cr", b"5\rhello\r\n" + END, "A bare CR behind the size (RFC 9112 7.1, 2.2)."),
    bad(
        "line-cr-and-byte",
        b"5\rXhello\r\n" + END,
        "CR and any byte behind the size (RFC 9112 7.1).",
    ),
    bad("line-cr-cr-lf", b"5\r\r\nhello\r\n" + END, "CR CR LF behind the size (RFC 9112 7.1)."),
    bad("line-lf-only-throughout", b"5\nhello\n0\n\n", "Bare LF throughout (RFC 9112 7.1)."),
    bad("last-lf", b"5" + DATA + b"0\n\r\n", "A bare LF behind the last size (RFC 9112 7.1)."),
    bad("last-cr", b"5" + DATA + b"0\rX\r\n", "A bare CR behind the last size (RFC 9112 7.1)."),
    bad("end-lf", b"5" + DATA + b"0\r\n\n\r\n\r\n", "A bare LF as the last line (RFC 9112 7.1)."),
    bad(
        "end-lf-at-once",
        b"5" + DATA + b"0\r\n\n",
        "It is refused at once, not waited for (RFC 9112 7.1).",
    ),
    bad(
        "end-cr-and-byte",
        b"5" + DATA + b"0\r\n\rX\r\n\r\n",
        "CR and any byte as the last line (RFC 9112 7.1).",
    ),
    bad(
        "end-two-bytes",
        b"0\r\nXX\r\n\r\n",
        "Two other bytes where the last line belongs (RFC 9112 7.1).",
    ),
    Case(
        "chunk-nul-behind",
        chunked(b"5" + DATA + END + b"\x00"),
        closes(seen("POST", body=b"hello"), Answer((400,))),
        "A byte behind the body begins another request, and is a bad one (RFC 9112 9.3.2).",
    ),
)

EXTENSIONS = (
    good_extension("name", b";a", "An extension of a name (RFC 9112 7.1.1)."),
    good_extension("value", b";a=b", "An extension with a value (RFC 9112 7.1.1)."),
    good_extension("quoted", b';a="b c"', "A quoted value (RFC 9112 7.1.1)."),
    good_extension("quoted-empty", b';a=""', "An empty quoted value (RFC 9112 7.1.1)."),
    good_extension(
        "quoted-pair", b';a="\\"\\\\"', "A quote escaped within quotes (RFC 9110 5.6.4)."
    ),
    good_extension(
        "quoted-semicolon", b';a="b;c=d"', "A semicolon within quotes (RFC 9110 5.6.4)."
    ),
    good_extension("quoted-tab", b';a="b\tc"', "A tab within quotes (RFC 9110 5.6.4)."),
    good_extension(
        "quoted-obs-text", b';a="\xe9\xff"', "Opaque bytes within quotes (RFC 9110 5.6.4)."
    ),
    good_extension("several", b';a;b=c;d="e"', "Several extensions (RFC 9112 7.1.1)."),
    good_extension(
        "space-before",
        b" ;a",
        "White space before the semicolon is bad, but read (RFC 9112 7.1.1).",
    ),
    good_extension("space-behind", b"; a", "White space behind the semicolon (RFC 9112 7.1.1)."),
    good_extension("tabs", b"\t;\ta\t=\tb", "Tabs wherever BWS is (RFC 9112 7.1.1)."),
    good_extension(
        "space-around-equals", b";a = b", "White space around the equals sign (RFC 9112 7.1.1)."
    ),
    good_extension(
        "all-token-characters",
        b";!#$%&'*+-.^_`|~09aZ=!#",
        "Every token character (RFC 9110 5.6.2).",
    ),
    good_extension("hex-name", b";0=ff", "An extension that looks like a size (RFC 9112 7.1.1)."),
    good(
        "extension-last",
        b"5" + DATA + b"0;a=b\r\n\r\n",
        "The last chunk may have extensions (RFC 9112 7.1).",
    ),
    bad_extension("semicolon-only", b";", "An extension has a name (RFC 9112 7.1.1)."),
    bad_extension("two-semicolons", b";;a", "Each extension has a name (RFC 9112 7.1.1)."),
    bad_extension("trailing-semicolon", b";a;", "The last one too (RFC 9112 7.1.1)."),
    bad_extension("no-name", b";=b", "A value without a name (RFC 9112 7.1.1)."),
    bad_extension("no-value", b";a=", "An equals sign promises a value (RFC 9112 7.1.1)."),
    bad_extension("two-equals", b";a==b", "One equals sign, not two (RFC 9112 7.1.1)."),
    bad_extension("no-semicolon", b" a", "A space does not begin an extension (RFC 9112 7.1.1)."),
    bad_extension("two-names", b";a b", "Two names and no semicolon (RFC 9112 7.1.1)."),
    bad_extension("two-values", b";a=b c", "Two values (RFC 9112 7.1.1)."),
    bad_extension(
        "trailing-space", b";a ", "White space behind the last extension (RFC 9112 7.1.1)."
    ),
    bad_extension("unquoted-delimiter", b";a=b@c", "A delimiter in a value (RFC 9110 5.6.2)."),
    bad_extension("delimiter-in-name", b";a@=b", "A delimiter in a name (RFC 9110 5.6.2)."),
    bad_extension("unclosed-quote", b';a="b', "A quote not closed (RFC 9110 5.6.4)."),
    bad_extension("text-behind-quote", b';a="b"c', "Text behind a quoted value (RFC 9112 7.1.1)."),
    bad_extension(
        "quote-over-lines",
        b';a="\r\n"',
        "A quote that goes over a line end: the line ends there for some (RFC 9110 5.6.4).",
    ),
    bad_extension(
        "lone-backslash", b';a="\\', "An escape with nothing behind it (RFC 9110 5.6.4)."
    ),
    bad_extension("obs-text-name", b";\xe9", "Opaque bytes outside quotes (RFC 9110 5.6.2)."),
    bad_extension("nul", b";a\x00", "NUL in a name (RFC 9110 5.6.2)."),
    bad_extension("nul-in-quotes", b';a="\x00"', "NUL within quotes (RFC 9110 5.6.4)."),
    bad_extension("delete-in-quotes", b';a="\x7f"', "DEL within quotes (RFC 9110 5.6.4)."),
    bad_extension(
        "escaped-control",
        b';a="\\\x01"',
        "A control byte is not made good by an escape (RFC 9110 5.6.4).",
    ),
    bad_extension("lf", b";a\nb", "A bare LF in an extension (RFC 9112 2.2, 7.1.1)."),
    bad_extension("lf-in-quotes", b';a="\n"', "A bare LF within quotes (RFC 9110 5.6.4)."),
    bad_extension("cr", b";\ra", "A bare CR in an extension (RFC 9112 2.2, 7.1.1)."),
    bad_extension(
        "cr-before",
        b"\r;a",
        "A bare CR before the semicolon, where white space may be (RFC 9112 7.1.1).",
    ),
    bad_extension("cr-cr-before", b"\r\r;a", "Two of them (RFC 9112 7.1.1)."),
    bad(
        "extension-lf-ends-line",
        b"5;a\nhello\r\n" + END,
        "A bare LF does not end the line: TERM.EXT (RFC 9112 7.1.1).",
    ),
    bad(
        "extension-lf-hides-size",
        b"2;\nxx\r\n2d\r\n0\r\n\r\n",
        "A bare LF that makes data of a line for some: EXT.TERM (RFC 9112 7.1.1).",
    ),
    bad(
        "extension-bad-last",
        b"5" + DATA + b"0;\r\n\r\n",
        "The last chunk's extensions are checked too (RFC 9112 7.1.1).",
    ),
)

TRAILERS = (
    good_trailer("one", b"X: y\r\n", "A trailer is checked and dropped (RFC 9112 7.1.2)."),
    good_trailer("two", b"X: y\r\nZ:\r\n", "So are two (RFC 9112 7.1.2)."),
    good_trailer(
        "like-a-request",
        b"X:POST / HTTP/1.1\r\n",
        "A trailer that looks like a request (RFC 9112 7.1.2).",
    ),
    good_trailer(
        "content-length",
        b"Content-Length: 5\r\n",
        "A length in a trailer frames nothing (RFC 9110 6.5.1).",
    ),
    good_trailer(
        "bad-content-length", b"Content-Length: x\r\n", "Not even a bad one (RFC 9110 6.5.1)."
    ),
    good_trailer(
        "two-content-lengths",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        "Nor two that differ (RFC 9110 6.5.1).",
    ),
    good_trailer(
        "both-framings",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Nor one beside a coding (RFC 9110 6.5.1).",
    ),
    good_trailer(
        "unknown-coding",
        b"Transfer-Encoding: foo\r\n",
        "Nor does a coding never heard of (RFC 9110 6.5.1).",
    ),
    good_trailer(
        "upgrade",
        b"Connection: upgrade\r\nUpgrade: foo\r\n",
        "Nor is an upgrade made (RFC 9110 6.5.1).",
    ),
    good_trailer(
        "transfer-encoding",
        b"Transfer-Encoding: chunked\r\n",
        "Nor does a coding (RFC 9110 6.5.1).",
    ),
    good_trailer(
        "host", b"Host: b\r\n", "A second Host in a trailer is no second Host (RFC 9110 6.5.1)."
    ),
    good_trailer(
        "connection",
        b"Connection: close\r\n",
        "A trailer does not close the connection (RFC 9110 6.5.1).",
    ),
    good_trailer("obs-text", b"X: \xe9\r\n", "Opaque bytes in a trailer (RFC 9110 5.5)."),
    Case(
        "chunk-trailer-not-merged",
        chunked(b"0\r\nX-Seen: y\r\n\r\n"),
        stays(seen("POST", x_seen=None)),
        "A trailer is not taken for a field of the head (RFC 9110 6.5.1).",
    ),
    Case(
        "chunk-trailer-then-request",
        chunked(b"0\r\nX: y\r\n\r\n" + INNER),
        stays(seen("POST"), seen(target="/smuggled")),
        "Behind the trailers the next request begins (RFC 9112 7.1.2).",
    ),
    bad_trailer("no-colon", b"X\r\n", "A trailer is a field line (RFC 9112 7.1.2)."),
    bad_trailer(
        "a-request", INNER[:-2], "A request among the trailers is no trailer (RFC 9112 7.1.2)."
    ),
    bad_trailer("space-before-colon", b"X : y\r\n", "No space before the colon (RFC 9112 5.1)."),
    bad_trailer("empty-name", b": y\r\n", "A trailer has a name (RFC 9110 5.1)."),
    bad_trailer("bad-name", b"X@: y\r\n", "The name is a token (RFC 9110 5.1)."),
    bad_trailer(
        "leading-space", b" X: y\r\n", "No white space before the first trailer (RFC 9112 5.2)."
    ),
    bad_trailer("folded", b"X: a\r\n b\r\n", "No folds (RFC 9112 5.2)."),
    bad_trailer("space-line", b" \r\n", "A line of white space is no trailer (RFC 9112 7.1.2)."),
    bad_trailer("nul", b"X: a\x00b\r\n", "NUL in a trailer (RFC 9110 5.5)."),
    bad_trailer("control", b"X: a\x01b\r\n", "A control byte in a trailer (RFC 9110 5.5)."),
    bad_trailer("bare-lf", b"X: a\nY: b\r\n", "A bare LF in a trailer (RFC 9112 2.2)."),
    bad_trailer("bare-lf-end", b"X: a\n", "A trailer that ends in LF (RFC 9112 2.2)."),
    bad_trailer("bare-cr", b"X: a\rY: b\r\n", "A bare CR in a trailer (RFC 9112 2.2)."),
)

CASES = (*SIZES, *FRAMING, *EXTENSIONS, *TRAILERS)
