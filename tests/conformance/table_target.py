"""Cases of the request target: its four forms, its bytes, and how path and query are read from it.

What it is: the part of the table where the second word of the request line is the point. Its rules:
RFC 9112 section 3.2; the target is kept raw, the path is decoded once, the query is not; nothing is
normalised; bytes outside 0x21 to 0x7e and fragments are refused. What it does not know: how long a
target may be, which is in `table_limits.py`.
"""

from tests.conformance.case import Answer, Case, also, closes, get, lines, refuses, seen, stays

NO = refuses(400)
HOST = b"Host: a"


def good(name: str, target: str, note: str, **more: str | None) -> Case:
    """A target that reaches the handler raw, read as path and query where these are named."""
    return Case(
        f"target-{name}",
        get(target=target.encode("ascii")),
        stays(also(seen(target=target), **more)),
        note,
    )


def bad(name: str, target: bytes, note: str) -> Case:
    """A target that is refused."""
    return Case(f"target-{name}", get(target=target), NO, note)


ORIGIN = (
    good("root", "/", "The shortest origin-form (RFC 9112 3.2.1).", path="/", query=""),
    good("path", "/a/b/c", "A path of three segments (RFC 9112 3.2.1).", path="/a/b/c", query=""),
    good(
        "query", "/a?b=c&d", "A query behind the path (RFC 9112 3.2.1).", path="/a", query="b=c&d"
    ),
    good("empty-query", "/a?", "A query may be empty (RFC 3986 3.4).", path="/a", query=""),
    good(
        "two-question-marks",
        "/a?b?c",
        "Only the first question mark divides (RFC 3986 3.4).",
        path="/a",
        query="b?c",
    ),
    good(
        "slash-in-query",
        "/a?b/../c",
        "A slash in a query is no path (RFC 3986 3.4).",
        path="/a",
        query="b/../c",
    ),
    good(
        "encoded-space",
        "/a%20b",
        "The path is decoded, the target is not (RFC 3986 2.1).",
        path="/a b",
        query="",
    ),
    good(
        "encoded-utf-8",
        "/%C3%A9",
        "Encoded UTF-8 is text (RFC 3986 2.5).",
        path="/\u00e9",
        query="",
    ),
    good(
        "encoded-lower-case",
        "/%c3%a9",
        "Hex digits may be lower case (RFC 3986 2.1).",
        path="/\u00e9",
        query="",
    ),
    good(
        "encoded-question-mark",
        "/a%3Fb",
        "An encoded question mark starts no query (RFC 3986 2.2).",
        path="/a?b",
        query="",
    ),
    good(
        "encoded-hash",
        "/a%23b",
        "An encoded hash starts no fragment (RFC 3986 2.2).",
        path="/a#b",
        query="",
    ),
    good(
        "encoded-percent",
        "/a%2541",
        "Decoding happens once (RFC 3986 2.4).",
        path="/a%41",
        query="",
    ),
    good(
        "encoded-query",
        "/?q=%41%20",
        "The query is left encoded (RFC 3986 2.4).",
        path="/",
        query="q=%41%20",
    ),
    good(
        "plus",
        "/a+b",
        "A plus sign in a path is a plus sign (RFC 3986 2.2).",
        path="/a+b",
        query="",
    ),
    good(
        "dot-segments",
        "/a/../b/./c",
        "An origin server is not asked to remove dots (RFC 9110 4.2.3).",
        path="/a/../b/./c",
        query="",
    ),
    good(
        "double-slash",
        "//host/path",
        "Two slashes start a path, not an authority (RFC 9112 3.2.1).",
        path="//host/path",
        query="",
    ),
    good(
        "only-slashes", "///", "Empty segments are segments (RFC 3986 3.3).", path="///", query=""
    ),
    good(
        "url-in-path",
        "/http://a/b",
        "A path may hold a URL (RFC 9112 3.2.1).",
        path="/http://a/b",
        query="",
    ),
    good(
        "semicolon",
        "/a;b=c",
        "Parameters are part of the segment (RFC 3986 3.3).",
        path="/a;b=c",
        query="",
    ),
    good("colon", "/a:80", "A colon in a path is no port (RFC 3986 3.3).", path="/a:80", query=""),
    good(
        "asterisk-in-path",
        "/*",
        "A path of an asterisk is no asterisk-form (RFC 9112 3.2.4).",
        path="/*",
        query="",
    ),
    good(
        "brackets",
        "/[a]?b[]=c",
        "Browsers leave brackets as they are, and they are characters of URIs (RFC 3986 2.2).",
        path="/[a]",
        query="b[]=c",
    ),
    good(
        "first-and-last-byte",
        "/!~",
        "0x21 and 0x7e are the bounds of what is allowed (RFC 3986 2.3).",
        path="/!~",
        query="",
    ),
    good(
        "encoded-nul",
        "/%00",
        "An encoded NUL stays encoded in the target (RFC 3986 2.1).",
        query="",
    ),
    good(
        "encoded-crlf", "/%0d%0aX:y", "An encoded line end ends no line (RFC 3986 2.1).", query=""
    ),
    good(
        "encoded-invalid-utf-8", "/%ff", "Encoded bytes need not be UTF-8 (RFC 3986 2.5).", query=""
    ),
    good(
        "half-encoded", "/%4", "An incomplete escape is kept as it came (RFC 3986 2.1).", query=""
    ),
    good(
        "not-hex", "/%zz", "An escape that is no hex is kept as it came (RFC 3986 2.1).", query=""
    ),
)

ABSOLUTE = (
    good(
        "absolute",
        "http://a/b?c",
        "A server must accept absolute-form (RFC 9112 3.2.2).",
        path="/b",
        query="c",
    ),
    good(
        "absolute-https",
        "https://a/b",
        "The scheme https is as good as http (RFC 9110 4.2.2).",
        path="/b",
        query="",
    ),
    good(
        "absolute-upper-case",
        "HTTP://A/b",
        "Scheme and host have no case (RFC 9110 4.2.3).",
        path="/b",
        query="",
    ),
    good(
        "absolute-empty-path",
        "http://a",
        "An empty path means the root (RFC 9110 4.2.3).",
        path="/",
        query="",
    ),
    good(
        "absolute-empty-path-query",
        "http://a?b=c",
        "An empty path before a query means the root (RFC 9110 4.2.3).",
        path="/",
        query="b=c",
    ),
    good(
        "absolute-port",
        "http://a:8080/b",
        "An authority may have a port (RFC 9110 4.2.1).",
        path="/b",
        query="",
    ),
    good(
        "absolute-empty-port",
        "http://a:/b",
        "A port may be empty (RFC 3986 3.2.3).",
        path="/b",
        query="",
    ),
    good(
        "absolute-ipv6",
        "http://[::1]:80/b",
        "An authority may be an IPv6 literal (RFC 3986 3.2.2).",
        path="/b",
        query="",
    ),
    good(
        "absolute-encoded",
        "http://a/%41",
        "The path of an absolute-form is decoded too (RFC 9112 3.2.2).",
        path="/A",
        query="",
    ),
    good(
        "absolute-in-query",
        "http://a/?u=http://b/",
        "A URL in the query is query (RFC 3986 3.4).",
        path="/",
        query="u=http://b/",
    ),
    Case(
        "target-absolute-other-host",
        lines(b"GET http://b/c HTTP/1.1", HOST),
        stays(seen(target="http://b/c", path="/c")),
        "The Host field gives way to the authority of the target (RFC 9112 3.2.2).",
    ),
    Case(
        "target-absolute-no-host",
        lines(b"GET http://a/ HTTP/1.1"),
        NO,
        "Absolute-form does not stand in for Host (RFC 9112 3.2).",
    ),
    Case(
        "target-absolute-two-hosts",
        lines(b"GET http://a/ HTTP/1.1", HOST, HOST),
        NO,
        "Absolute-form does not excuse two Hosts (RFC 9112 3.2).",
    ),
    bad("absolute-no-authority", b"http:///b", "An http URI has a host (RFC 9110 4.2.1)."),
    bad("absolute-only-port", b"http://:80/b", "A port is no host (RFC 9110 4.2.1)."),
    bad(
        "absolute-ipv6-zone",
        b"http://[fe80::1%25eth0]/b",
        "A zone is in no http URI (RFC 3986 3.2.2).",
    ),
    bad("absolute-one-slash", b"http:/b", "One slash starts no authority (RFC 3986 3.2)."),
    bad(
        "absolute-no-slash",
        b"http:b",
        "A scheme and a path are not absolute-form (RFC 9110 4.2.1).",
    ),
    bad("absolute-scheme-only", b"http://", "A scheme alone names nothing (RFC 9110 4.2.1)."),
    bad(
        "absolute-user",
        b"http://u@a/b",
        "Userinfo is an error in a received target (RFC 9110 4.2.4).",
    ),
    bad(
        "absolute-user-password",
        b"http://u:p@a/b",
        "A password is userinfo as well (RFC 9110 4.2.4).",
    ),
    bad("absolute-empty-user", b"http://@a/b", "Even empty userinfo is userinfo (RFC 9110 4.2.4)."),
    bad("absolute-port-word", b"http://a:b/c", "A port is digits (RFC 3986 3.2.3)."),
    bad("absolute-port-huge", b"http://a:65536/c", "No TCP port is over 65535 (RFC 9110 4.2.1)."),
    bad("absolute-bad-ipv6", b"http://[::1/b", "An IPv6 literal must be closed (RFC 3986 3.2.2)."),
    bad("absolute-not-ipv6", b"http://[x]/b", "Brackets hold an address (RFC 3986 3.2.2)."),
    bad("absolute-backslash", b"http://a\\b/c", "A backslash is in no authority (RFC 3986 3.2)."),
    bad(
        "absolute-half-escape",
        b"http://a%4/c",
        "An escape in a host must be whole (RFC 3986 3.2.2).",
    ),
    bad(
        "absolute-ftp",
        b"ftp://a/b",
        "An origin server of http answers for no other scheme (RFC 9112 3.2.2).",
    ),
    bad(
        "absolute-ws",
        b"ws://a/b",
        "A WebSocket handshake is sent with http targets (RFC 6455 4.1).",
    ),
    bad(
        "absolute-file",
        b"file:///etc/passwd",
        "A file is no resource of this server (RFC 9112 3.2.2).",
    ),
    bad("absolute-longer-scheme", b"xhttp://a/b", "A scheme is matched whole (RFC 9112 3.2.2)."),
)

OTHERS = (
    bad("asterisk-get", b"*", "Only OPTIONS takes the asterisk (RFC 9112 3.2.4)."),
    Case(
        "target-asterisk-head",
        lines(b"HEAD * HTTP/1.1", HOST),
        closes(Answer((400,), head=True)),
        "Only OPTIONS takes the asterisk, and HEAD has no content even if refused "
        "(RFC 9112 3.2.4, RFC 9110 9.3.2).",
    ),
    Case(
        "target-asterisk-and-more",
        lines(b"OPTIONS *x HTTP/1.1", HOST),
        NO,
        "The asterisk stands alone (RFC 9112 3.2.4).",
    ),
    Case(
        "target-two-asterisks",
        lines(b"OPTIONS ** HTTP/1.1", HOST),
        NO,
        "One asterisk, not two (RFC 9112 3.2.4).",
    ),
    Case(
        "target-asterisk-query",
        lines(b"OPTIONS *?a HTTP/1.1", HOST),
        NO,
        "The asterisk has no query (RFC 9112 3.2.4).",
    ),
    Case(
        "target-options-path",
        lines(b"OPTIONS /a HTTP/1.1", HOST),
        stays(seen("OPTIONS", "/a")),
        "OPTIONS of a resource is the handler's (RFC 9110 9.3.7).",
    ),
    Case(
        "target-options-slash-asterisk",
        lines(b"OPTIONS /* HTTP/1.1", HOST),
        stays(seen("OPTIONS", "/*")),
        "A path of an asterisk is a path for OPTIONS too (RFC 9112 3.2.4).",
    ),
    Case(
        "target-options-absolute",
        lines(b"OPTIONS http://a/b HTTP/1.1", HOST),
        stays(seen("OPTIONS", "http://a/b", path="/b")),
        "OPTIONS with absolute-form and a path (RFC 9112 3.2.2).",
    ),
    bad("authority-get", b"a:80", "Authority-form is for CONNECT (RFC 9112 3.2.3)."),
    bad("name-only", b"example.com", "A bare host name is no target of GET (RFC 9112 3.2)."),
    bad("relative", b"a/b", "A path starts with a slash (RFC 9112 3.2.1)."),
    bad("dot", b"../a", "A relative reference is no target (RFC 9112 3.2.1)."),
    bad("query-only", b"?a", "A query needs a path (RFC 9112 3.2.1)."),
    bad("backslash-first", b"\\a", "A backslash is no slash (RFC 9112 3.2.1)."),
    bad("encoded-slash-first", b"%2Fa", "An encoded slash starts no path (RFC 9112 3.2.1)."),
    bad("fragment", b"/a#b", "A fragment is never sent (RFC 9112 3.2, RFC 9110 4.2.5)."),
    bad("empty-fragment", b"/a#", "Not even an empty one (RFC 9110 4.2.5)."),
    bad("fragment-in-query", b"/a?b#c", "A fragment behind a query (RFC 9110 4.2.5)."),
    bad("fragment-only", b"#a", "A fragment alone (RFC 9110 4.2.5)."),
    bad("absolute-fragment", b"http://a/#b", "A fragment in absolute-form (RFC 9112 3.2.2)."),
    bad("nul", b"/a\x00b", "NUL in the target (RFC 9112 3.2)."),
    bad("tab", b"/a\tb", "A tab in the target (RFC 9112 3.2)."),
    bad("cr", b"/a\rb", "A bare CR in the target (RFC 9112 2.2)."),
    bad("lf", b"/a\nb", "A bare LF in the target (RFC 9112 2.2)."),
    bad("escape", b"/a\x1bb", "A control byte in the target (RFC 9112 3.2)."),
    bad("delete", b"/a\x7fb", "DEL in the target (RFC 9112 3.2)."),
    bad("byte-0x80", b"/a\x80b", "The first byte over ASCII (RFC 3986 2)."),
    bad("byte-0xff", b"/a\xffb", "The last byte over ASCII (RFC 3986 2)."),
    bad("utf-8", b"/\xc3\xa9", "UTF-8 must be encoded (RFC 3986 2.5)."),
    bad("utf-8-query", b"/?\xc3\xa9", "Also in the query (RFC 3986 2.5)."),
    bad(
        "no-break-space",
        b"/a\xa0b",
        "A no-break space is no space and no target byte (RFC 3986 2).",
    ),
)

NO_URI_CHARACTERS = tuple(
    bad(
        f"byte-0x{byte:02x}-in-{place}",
        target.replace(b"*", bytes((byte,))),
        "No character of a URI, so it has to be encoded (RFC 3986 2, RFC 9112 3.2).",
    )
    for byte in b'"<>\\^`{|}'
    for place, target in (("path", b"/a*b"), ("query", b"/a?b=*"), ("absolute", b"http://a/b*"))
)

CASES = (*ORIGIN, *ABSOLUTE, *OTHERS, *NO_URI_CHARACTERS)
