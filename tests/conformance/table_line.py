"""Cases of the request line: its spaces, its methods, its versions, and what is not HTTP at all.

What it is: the part of the table where the first line is the point. Its rules: RFC 9112 sections 2
and 3; exactly one SP between the parts, CRLF at the end, and no repair of anything else. What it
does not know: the forms of the request target, which are in `table_target.py`.
"""

from tests.conformance.case import Answer, Case, closes, get, lines, refuses, seen, seen_head, stays

HOST = b"Host: a"
NO = refuses(400)
ALLOWED = Answer(
    (405,), fields=tuple(("allow", name) for name in ("GET", "HEAD", "POST", "OPTIONS"))
)


def line(first: bytes) -> bytes:
    """A request with this first line and a good Host."""
    return lines(first, HOST)


def good_method(name: str) -> Case:
    """A method that handlers see, with no body announced."""
    note = (
        f"{name} reaches the handler, and no announced length is an empty body "
        "(RFC 9110 9.3, RFC 9112 6.3)."
    )
    return Case(
        f"method-{name.lower()}", line(f"{name} / HTTP/1.1".encode()), stays(seen(name)), note
    )


def unknown_method(name: str, method: bytes, note: str) -> Case:
    """A token that is no method of ours: 501."""
    return Case(
        f"method-{name}",
        line(method + b" / HTTP/1.1"),
        refuses(501),
        f"{note} (RFC 9110 9.1, 15.6.2).",
    )


def bad_method(name: str, method: bytes, note: str) -> Case:
    """No token at all: 400."""
    return Case(
        f"method-{name}", line(method + b" / HTTP/1.1"), NO, f"{note} (RFC 9110 9.1, 5.6.2)."
    )


def version(name: str, text: bytes, status: int, note: str) -> Case:
    """A request that is good but for its version."""
    return Case(f"version-{name}", line(b"GET / " + text), refuses(status), note)


METHODS = (
    *(good_method(name) for name in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")),
    Case(
        "method-head",
        line(b"HEAD / HTTP/1.1"),
        stays(seen_head()),
        "HEAD is answered as GET is, without content (RFC 9110 9.3.2).",
    ),
    Case(
        "method-trace",
        line(b"TRACE / HTTP/1.1"),
        stays(ALLOWED),
        "TRACE is known and refused: 405 with Allow (RFC 9110 9.3.8, 15.5.6).",
    ),
    Case(
        "method-trace-with-body",
        lines(b"TRACE / HTTP/1.1", HOST, b"Content-Length: 5", body=b"hello"),
        stays(ALLOWED),
        "A body behind TRACE is framed and dropped, never read as a request "
        "(RFC 9110 9.3.8, RFC 9112 6).",
    ),
    Case(
        "method-options-asterisk",
        line(b"OPTIONS * HTTP/1.1"),
        stays(Answer((204,))),
        "OPTIONS * asks the server itself (RFC 9110 9.3.7).",
    ),
    Case(
        "method-connect-authority",
        lines(b"CONNECT example.com:443 HTTP/1.1", b"Host: example.com:443"),
        refuses(501),
        "An origin server without tunnels refuses CONNECT (RFC 9110 9.3.6).",
    ),
    Case(
        "method-connect-ipv6",
        lines(b"CONNECT [::1]:443 HTTP/1.1", b"Host: [::1]:443"),
        refuses(501),
        "CONNECT to an IPv6 literal is still CONNECT (RFC 9112 3.2.3).",
    ),
    Case(
        "method-connect-then-bytes",
        lines(b"CONNECT a:1 HTTP/1.1", b"Host: a:1", body=get(target=b"/tunnelled")),
        refuses(501),
        "What follows a refused CONNECT was meant for a tunnel and is not a request "
        "(RFC 9110 9.3.6).",
    ),
    unknown_method("unknown", b"FOO", "A method never heard of"),
    unknown_method("lower-case", b"get", "Methods are case-sensitive"),
    unknown_method("mixed-case", b"Get", "Methods are case-sensitive even in one letter"),
    unknown_method("prefix", b"GE", "A prefix of a method is another method"),
    unknown_method("longer", b"GETS", "A method with a letter more is another method"),
    unknown_method("webdav", b"PROPFIND", "A registered method that sigil does not have"),
    unknown_method("query", b"QUERY", "A recent method that sigil does not have"),
    unknown_method(
        "all-token-characters",
        b"!#$%&'*+-.^_`|~09aZ",
        "Every token character may stand in a method",
    ),
    unknown_method("digits", b"123", "A token may be digits only"),
    unknown_method("hyphen", b"M-SEARCH", "A token may hold a hyphen"),
    unknown_method(
        "forty-letters", b"A" * 40, "A token too long for any method is an unknown method"
    ),
    unknown_method(
        "five-thousand-letters",
        b"A" * 5000,
        "An endless token is refused without waiting for its end",
    ),
    unknown_method(
        "nine-thousand-letters", b"A" * 9000, "A method longer than any line is no target too long"
    ),
    Case(
        "method-endless",
        b"G" * 33,
        refuses(501),
        "A token that has outgrown every method is refused without its end (RFC 9110 15.6.2).",
    ),
    Case(
        "method-endless-and-bad",
        b"G" * 20 + b"\x00",
        NO,
        "Bytes that cannot become a method are refused at once (RFC 9110 9.1).",
    ),
    bad_method("empty", b"", "A line may not start with the space behind the method"),
    bad_method("leading-space", b" GET", "Space before the method"),
    bad_method("leading-tab", b"\tGET", "Tab before the method"),
    bad_method("at-sign", b"G@T", "A delimiter in the method"),
    bad_method(
        "parenthesis", b"GET(", "A delimiter behind the method, where a prefix would have matched"
    ),
    bad_method("quoted", b'"GET"', "A quoted string is no token"),
    bad_method("comma", b"GET,POST", "A list is no token"),
    bad_method("colon", b"GET:", "A colon is no token character"),
    bad_method("slash", b"GET/", "A slash is no token character"),
    bad_method("braces", b"{GET}", "Braces are no token characters"),
    bad_method("nul-before", b"\x00GET", "NUL before the method"),
    bad_method("nul-after", b"GET\x00", "NUL behind the method"),
    bad_method("control", b"GE\x01T", "A control byte in the method"),
    bad_method("delete-byte", b"GE\x7fT", "DEL is a control byte, not a token character"),
    bad_method("obs-text", b"G\xc9T", "A byte over 0x7f in the method"),
    bad_method("byte-order-mark", b"\xef\xbb\xbfGET", "A byte order mark before the method"),
    bad_method("backspace", b"POSX\x08T", "A control byte that hides another byte on a terminal"),
    bad_method(
        "long-and-bad",
        b"A" * 20 + b"@" + b"A" * 20,
        "No space in reach and not all of it is a token",
    ),
)

VERSIONS = (
    Case(
        "version-1.1",
        line(b"GET /v HTTP/1.1"),
        stays(seen(target="/v")),
        "HTTP/1.1 itself (RFC 9112 2.3).",
    ),
    Case(
        "version-1.0",
        line(b"GET /v HTTP/1.0"),
        closes(seen(target="/v")),
        "HTTP/1.0 itself (RFC 9112 9.3).",
    ),
    *(
        Case(
            f"version-1.{minor}",
            line(b"GET / HTTP/1.%d" % minor),
            stays(seen()),
            f"A higher minor version, here {minor}, is processed as 1.1 (RFC 9110 2.5).",
        )
        for minor in (2, 9)
    ),
    Case(
        "version-1.2-needs-host",
        lines(b"GET / HTTP/1.2"),
        NO,
        "What binds 1.1 binds higher minors: no Host is an error (RFC 9110 2.5, RFC 9112 3.2).",
    ),
    Case(
        "version-1.2-chunked",
        lines(
            b"POST / HTTP/1.2", HOST, b"Transfer-Encoding: chunked", body=b"2\r\nhi\r\n0\r\n\r\n"
        ),
        stays(seen("POST", body=b"hi")),
        "A higher minor version may send chunked as 1.1 may (RFC 9110 2.5, RFC 9112 6.1).",
    ),
    version(
        "0.9-spelled",
        b"HTTP/0.9",
        505,
        "HTTP/0.9 never spelled its version: another major (RFC 9110 15.6.6).",
    ),
    version("0.0", b"HTTP/0.0", 505, "Major version zero (RFC 9110 15.6.6)."),
    version("2.0", b"HTTP/2.0", 505, "HTTP/2 is not spoken in this syntax (RFC 9110 15.6.6)."),
    version("3.0", b"HTTP/3.0", 505, "HTTP/3 is not spoken in this syntax (RFC 9110 15.6.6)."),
    version("9.9", b"HTTP/9.9", 505, "The highest version that can be written (RFC 9110 15.6.6)."),
    Case(
        "version-h2-preface",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0",
        refuses(505),
        "The HTTP/2 preface with prior knowledge, made to fail on an HTTP/1.1 server "
        "(RFC 9113 3.4).",
    ),
    version("one-digit", b"HTTP/1", 400, "The minor version is not optional (RFC 9112 2.3)."),
    version("two-digit-minor", b"HTTP/1.10", 400, "One digit each side of the dot (RFC 9112 2.3)."),
    version(
        "two-digit-major",
        b"HTTP/11.1",
        400,
        "One digit each side of the dot, also before it (RFC 9112 2.3).",
    ),
    version("leading-zero-major", b"HTTP/01.1", 400, "No leading zero (RFC 9112 2.3)."),
    version(
        "leading-zero-minor",
        b"HTTP/1.01",
        400,
        "No leading zero in the minor version (RFC 9112 2.3).",
    ),
    version("no-minor", b"HTTP/1.", 400, "A dot with nothing behind it (RFC 9112 2.3)."),
    version("no-major", b"HTTP/.1", 400, "A dot with nothing before it (RFC 9112 2.3)."),
    version("no-dot", b"HTTP/11", 400, "Two digits and no dot (RFC 9112 2.3)."),
    version("comma", b"HTTP/1,1", 400, "A comma is no dot (RFC 9112 2.3)."),
    version("three-numbers", b"HTTP/1.1.1", 400, "Two numbers, not three (RFC 9112 2.3)."),
    version(
        "huge", b"HTTP/4294967297.1", 400, "A number that wraps to 1 in 32 bits (RFC 9112 2.3)."
    ),
    version("negative", b"HTTP/-1.1", 400, "A sign is no digit (RFC 9112 2.3)."),
    version("plus", b"HTTP/+1.1", 400, "A plus sign is no digit (RFC 9112 2.3)."),
    version("letter", b"HTTP/1.x", 400, "A letter is no digit (RFC 9112 2.3)."),
    version(
        "superscript-digit",
        b"HTTP/1.\xb9",
        400,
        "Only ASCII digits are DIGIT (RFC 5234 B.1, RFC 9112 2.3).",
    ),
    version(
        "lower-case", b"http/1.1", 400, "The name of the protocol is case-sensitive (RFC 9112 2.3)."
    ),
    version(
        "mixed-case",
        b"Http/1.1",
        400,
        "The name of the protocol is case-sensitive in each letter (RFC 9112 2.3).",
    ),
    version(
        "other-protocol", b"RTSP/1.0", 400, "Another protocol in the same dress (RFC 9112 2.3)."
    ),
    version("longer-name", b"HTTPS/1.1", 400, "A name with a letter more (RFC 9112 2.3)."),
    version("prefixed-name", b"XHTTP/1.1", 400, "A name with a letter before it (RFC 9112 2.3)."),
    version("no-slash", b"HTTP1.1", 400, "The slash is part of the version (RFC 9112 2.3)."),
    version("backslash", b"HTTP\\1.1", 400, "A backslash is no slash (RFC 9112 2.3)."),
    version(
        "garbage-behind",
        b"HTTP/1.1x",
        400,
        "The version must end where it ends, not where it is long enough (RFC 9112 2.3).",
    ),
    version("nul-behind", b"HTTP/1.1\x00", 400, "NUL behind the version (RFC 9112 2.3)."),
    version(
        "cr-behind",
        b"HTTP/1.1\r",
        400,
        "A second CR before the line end is a bare CR (RFC 9112 2.2).",
    ),
)

SPACES = (
    Case(
        "line-no-version",
        b"GET /\r\n\r\n",
        NO,
        "A simple request of HTTP/0.9 is not spoken (RFC 9112 3).",
    ),
    Case(
        "line-no-version-but-fields",
        line(b"GET /"),
        NO,
        "The version is not optional (RFC 9112 3).",
    ),
    Case(
        "line-no-version-but-space", line(b"GET / "), NO, "A space promises a version (RFC 9112 3)."
    ),
    Case("line-method-only", line(b"GET"), NO, "A method alone is no request line (RFC 9112 3)."),
    Case(
        "line-method-and-space",
        line(b"GET "),
        NO,
        "A method and a space are no request line (RFC 9112 3).",
    ),
    Case("line-no-target", line(b"GET HTTP/1.1"), NO, "The target is not optional (RFC 9112 3.2)."),
    Case(
        "line-empty-target",
        line(b"GET  HTTP/1.1"),
        NO,
        "Two spaces do not hold an empty target (RFC 9112 3.2).",
    ),
    Case(
        "line-two-spaces-before-target",
        line(b"GET  / HTTP/1.1"),
        NO,
        "One SP before the target (RFC 9112 3).",
    ),
    Case(
        "line-two-spaces-before-version",
        line(b"GET /  HTTP/1.1"),
        NO,
        "One SP before the version (RFC 9112 3).",
    ),
    Case(
        "line-tab-before-target",
        line(b"GET\t/ HTTP/1.1"),
        NO,
        "A tab is not SP, though a lenient parser may take it so (RFC 9112 3).",
    ),
    Case(
        "line-tab-before-version",
        line(b"GET /\tHTTP/1.1"),
        NO,
        "A tab before the version is not SP (RFC 9112 3).",
    ),
    Case(
        "line-vertical-tab",
        line(b"GET\x0b/ HTTP/1.1"),
        NO,
        "A vertical tab is not SP (RFC 9112 3).",
    ),
    Case("line-form-feed", line(b"GET /\x0cHTTP/1.1"), NO, "A form feed is not SP (RFC 9112 3)."),
    Case(
        "line-cr-as-space", line(b"GET /\rHTTP/1.1"), NO, "A bare CR is not SP (RFC 9112 2.2, 3)."
    ),
    Case(
        "line-lf-as-space", line(b"GET /\nHTTP/1.1"), NO, "A bare LF is not SP (RFC 9112 2.2, 3)."
    ),
    Case(
        "line-trailing-space",
        line(b"GET / HTTP/1.1 "),
        NO,
        "No space behind the version (RFC 9112 3).",
    ),
    Case(
        "line-trailing-tab",
        line(b"GET / HTTP/1.1\t"),
        NO,
        "No tab behind the version (RFC 9112 3).",
    ),
    Case(
        "line-space-in-target",
        line(b"GET /a b HTTP/1.1"),
        NO,
        "A space in the target is not repaired (RFC 9112 3.2).",
    ),
    Case(
        "line-two-versions",
        line(b"GET / HTTP/1.1 HTTP/1.0"),
        NO,
        "Three spaces make no request line (RFC 9112 3).",
    ),
    Case(
        "line-version-in-two",
        line(b"GET / HTTP /1.1"),
        NO,
        "A space within the version (RFC 9112 3).",
    ),
    Case("line-nul-alone", line(b"\x00"), NO, "A line of one NUL (RFC 9112 3)."),
    Case(
        "line-words-before",
        line(b"Extra lineGET / HTTP/1.1"),
        NO,
        "Words before the method (RFC 9112 3).",
    ),
    Case(
        "line-bare-lf-end",
        b"GET / HTTP/1.1\nHost: a\r\n\r\n",
        NO,
        "The request line ends in CRLF; a bare LF is not one (RFC 9112 2.2).",
    ),
    Case(
        "line-bare-cr-end",
        b"GET / HTTP/1.1\rHost: a\r\n\r\n",
        NO,
        "Nor is a bare CR (RFC 9112 2.2).",
    ),
    Case(
        "line-lf-cr-end", b"GET / HTTP/1.1\n\rHost: a\r\n\r\n", NO, "Nor is LF CR (RFC 9112 2.2)."
    ),
    Case(
        "line-all-bare-lf",
        b"GET / HTTP/1.1\nHost: a\n\n",
        NO,
        "A request of bare LF is refused at once, not waited for (RFC 9112 2.2).",
    ),
    Case(
        "line-empty-before",
        b"\r\n" + line(b"GET / HTTP/1.1"),
        stays(seen()),
        "One empty line before the request is skipped (RFC 9112 2.2).",
    ),
    Case(
        "line-three-empty-before",
        b"\r\n\r\n\r\n" + line(b"GET / HTTP/1.1"),
        stays(seen()),
        "More than one empty line is skipped as well (RFC 9112 2.2).",
    ),
    Case(
        "line-empty-before-post",
        b"\r\n" + lines(b"POST / HTTP/1.1", HOST, b"Content-Length: 2", body=b"hi"),
        stays(seen("POST", body=b"hi")),
        "Skipping an empty line does not shift the body (RFC 9112 2.2).",
    ),
    Case(
        "line-bare-lf-before",
        b"\n" + line(b"GET / HTTP/1.1"),
        NO,
        "A bare LF is no empty line (RFC 9112 2.2).",
    ),
    Case(
        "line-bare-lf-behind-crlf",
        b"\r\n\n" + line(b"GET / HTTP/1.1"),
        NO,
        "Nor is it one behind a real empty line (RFC 9112 2.2).",
    ),
    Case(
        "line-bare-cr-before",
        b"\r" + line(b"GET / HTTP/1.1"),
        NO,
        "A bare CR is no empty line (RFC 9112 2.2).",
    ),
    Case(
        "line-space-line-before",
        b" \r\n" + line(b"GET / HTTP/1.1"),
        NO,
        "A line of one space is not empty (RFC 9112 2.2).",
    ),
    Case(
        "line-empty-then-space",
        b"\r\n " + line(b"GET / HTTP/1.1"),
        NO,
        "Space behind a skipped line is not skipped (RFC 9112 2.2).",
    ),
)

STRANGERS = (
    Case(
        "stranger-tls",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(32)),
        NO,
        "A TLS hello on a plain port is refused at once (RFC 9112 3).",
    ),
    Case(
        "stranger-ssh",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        NO,
        "An SSH banner is refused at once (RFC 9112 3).",
    ),
    Case(
        "stranger-socks", b"\x05\x01\x00", NO, "A SOCKS greeting is refused at once (RFC 9112 3)."
    ),
    Case(
        "stranger-redis",
        b"*1\r\n$4\r\nPING\r\n",
        NO,
        "A Redis command is refused at once (RFC 9112 3).",
    ),
    Case(
        "stranger-response",
        lines(b"HTTP/1.1 200 OK", b"Content-Length: 0"),
        NO,
        "A response is no request: its first word is no token (RFC 9112 2.1).",
    ),
    Case(
        "stranger-field-line",
        lines(b"Host: a", b"X: y"),
        NO,
        "A head without its request line (RFC 9112 2.1).",
    ),
    Case(
        "stranger-haproxy",
        b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n" + line(b"GET / HTTP/1.1"),
        refuses(400, 501),
        "A PROXY line is neither a known method nor well formed; either fault may be named "
        "(RFC 9112 3).",
    ),
)

CASES = (*METHODS, *VERSIONS, *SPACES, *STRANGERS)
