"""Cases of the Host field: how many there are, and what a host and a port may look like.

What it is: the part of the table where the value of Host is the point. Its rules: RFC 9112 section
3.2 and RFC 3986 section 3.2.2; HTTP/1.1 has exactly one Host line, HTTP/1.0 at most one, and
whichever is there must be valid; an empty value is accepted. What it does not know: the authority
within an absolute-form target, which is in `table_target.py`.
"""

from tests.conformance.case import Case, closes, lines, refuses, seen, stays

GET = b"GET / HTTP/1.1"
OLD = b"GET / HTTP/1.0"
NO = refuses(400)


def good(name: str, value: bytes, note: str) -> Case:
    """A Host value that is accepted."""
    return Case(f"host-{name}", lines(GET, b"Host: " + value), stays(seen()), note)


def bad(name: str, value: bytes, note: str) -> Case:
    """A Host value that is refused."""
    return Case(f"host-{name}", lines(GET, b"Host: " + value), NO, note)


COUNT = (
    Case("host-missing", lines(GET), NO, "HTTP/1.1 without Host is an error (RFC 9112 3.2)."),
    Case(
        "host-missing-other-fields",
        lines(GET, b"X: y", b"Hos: a", b"Hosts: a"),
        NO,
        "Names like Host are not Host (RFC 9112 3.2).",
    ),
    Case(
        "host-twice-equal",
        lines(GET, b"Host: a", b"Host: a"),
        NO,
        "Two Host lines, though equal (RFC 9112 3.2).",
    ),
    Case(
        "host-twice-different",
        lines(GET, b"Host: a", b"Host: b"),
        NO,
        "Two Hosts that differ (RFC 9112 3.2).",
    ),
    Case(
        "host-twice-other-case",
        lines(GET, b"Host: a", b"hOST: b"),
        NO,
        "Two Hosts in different letters are two Hosts (RFC 9110 5.1, RFC 9112 3.2).",
    ),
    Case(
        "host-twice-apart",
        lines(GET, b"Host: a", b"X: y", b"Host: a"),
        NO,
        "Two Hosts with a field between them (RFC 9112 3.2).",
    ),
    Case(
        "host-twice-one-empty",
        lines(GET, b"Host: a", b"Host:"),
        NO,
        "An empty second Host (RFC 9112 3.2).",
    ),
    Case(
        "host-last",
        lines(GET, b"X: y", b"Host: a"),
        stays(seen()),
        "Host need not come first (RFC 9110 5.3).",
    ),
    Case(
        "host-lower-case-name",
        lines(GET, b"host: a"),
        stays(seen()),
        "Field names have no case (RFC 9110 5.1).",
    ),
    Case(
        "host-upper-case-name",
        lines(GET, b"HOST: a"),
        stays(seen()),
        "Nor in capitals (RFC 9110 5.1).",
    ),
    Case(
        "host-no-space",
        lines(GET, b"Host:a"),
        stays(seen()),
        "The space behind the colon is optional (RFC 9112 5).",
    ),
    Case(
        "host-tabs-around",
        lines(GET, b"Host:\ta\t"),
        stays(seen()),
        "Tabs around a value are OWS (RFC 9112 5.1).",
    ),
    Case(
        "host-space-before-colon",
        lines(GET, b"Host : a"),
        NO,
        "No space before the colon (RFC 9112 5.1).",
    ),
    Case("host-folded", lines(GET, b"Host: a", b" .b"), NO, "A folded Host (RFC 9112 5.2)."),
    Case(
        "host-folded-at-start",
        lines(GET, b"Host:", b" a"),
        NO,
        "A Host folded before its value (RFC 9112 5.2).",
    ),
    Case("host-1.0-missing", lines(OLD), closes(seen()), "HTTP/1.0 knows no Host (RFC 9112 3.2)."),
    Case(
        "host-1.0-one",
        lines(OLD, b"Host: a"),
        closes(seen()),
        "HTTP/1.0 may send Host (RFC 9112 3.2).",
    ),
    Case(
        "host-1.0-twice",
        lines(OLD, b"Host: a", b"Host: a"),
        NO,
        "More than one Host is an error in any version (RFC 9112 3.2).",
    ),
    Case(
        "host-1.0-invalid",
        lines(OLD, b"Host: a b"),
        NO,
        "An invalid Host is an error in any version (RFC 9112 3.2).",
    ),
)

GOOD = (
    good("empty", b"", "An empty Host is what a target without authority has (RFC 9112 3.3)."),
    good("only-spaces", b"   ", "Spaces around nothing are an empty value (RFC 9112 5.1)."),
    good("name", b"example.com", "A registered name (RFC 3986 3.2.2)."),
    good("upper-case", b"EXAMPLE.COM", "A name has no case (RFC 3986 3.2.2)."),
    good("trailing-dot", b"example.com.", "A fully qualified name (RFC 3986 3.2.2)."),
    good("port", b"example.com:80", "A name and a port (RFC 9110 7.2)."),
    good("empty-port", b"example.com:", "A port may be empty (RFC 3986 3.2.3)."),
    good("port-highest", b"a:65535", "The highest port (RFC 9110 7.2)."),
    good("port-zero", b"a:0", "A port is any number of digits, zero too (RFC 3986 3.2.3)."),
    good("ipv4", b"127.0.0.1:8080", "An IPv4 address (RFC 3986 3.2.2)."),
    good(
        "not-quite-ipv4",
        b"999.1.1.1",
        "What is no IPv4 address may still be a name (RFC 3986 3.2.2).",
    ),
    good("underscore", b"a_b~c", "Unreserved characters (RFC 3986 2.3)."),
    good("sub-delims", b"!$&'()*+,;=", "A name may hold sub-delims, a comma too (RFC 3986 3.2.2)."),
    good("escaped", b"%41.com", "A name may hold escapes (RFC 3986 3.2.2)."),
    good(
        "punycode",
        b"xn--bcher-kva.example",
        "A name from another script as ASCII (RFC 3986 3.2.2).",
    ),
    good("long", b"a" * 255, "A name as long as names get (RFC 3986 3.2.2)."),
    good("ipv6-loopback", b"[::1]", "The shortest useful IPv6 literal (RFC 3986 3.2.2)."),
    good("ipv6-port", b"[::1]:8080", "An IPv6 literal and a port (RFC 3986 3.2.2)."),
    good("ipv6-empty-port", b"[::1]:", "An IPv6 literal and an empty port (RFC 3986 3.2.3)."),
    good("ipv6-any", b"[::]", "The address of all zeros (RFC 3986 3.2.2)."),
    good(
        "ipv6-full",
        b"[2001:0db8:0000:0000:0000:ff00:0042:8329]",
        "Eight groups of four (RFC 3986 3.2.2).",
    ),
    good("ipv6-upper-case", b"[2001:DB8::FF00]", "Hex digits have no case (RFC 3986 3.2.2)."),
    good(
        "ip-future", b"[v1.a:b]", "An address of a later kind is in the grammar (RFC 3986 3.2.2)."
    ),
    good(
        "port-leading-zeros",
        b"a:0000000080",
        "A port is a number, however it is written (RFC 3986 3.2.3).",
    ),
    good(
        "ipv6-embedded-ipv4",
        b"[::ffff:1.2.3.4]",
        "An IPv4 address as the last two groups (RFC 3986 3.2.2).",
    ),
)

BAD = (
    bad("space-within", b"a b", "A space in a name (RFC 3986 3.2.2)."),
    bad("tab-within", b"a\tb", "A tab in a name (RFC 3986 3.2.2)."),
    bad("two-names", b"a, b", "A list of names (RFC 9112 3.2)."),
    bad("url", b"http://a", "A URL is no host (RFC 9110 7.2)."),
    bad("path", b"a/b", "A slash in a name (RFC 3986 3.2.2)."),
    bad("query", b"a?b", "A question mark in a name (RFC 3986 3.2.2)."),
    bad("fragment", b"a#b", "A hash in a name (RFC 3986 3.2.2)."),
    bad("user", b"u@a", "Userinfo is not in Host (RFC 9110 7.2)."),
    bad(
        "user-password", b"u:p@a", "Userinfo with a password, where a port would be (RFC 9110 7.2)."
    ),
    bad("backslash", b"a\\b", "A backslash in a name (RFC 3986 3.2.2)."),
    bad("quoted", b'"a"', "A quoted name (RFC 3986 3.2.2)."),
    bad("angle-brackets", b"<a>", "Markup, as it would appear in a page (RFC 3986 3.2.2)."),
    bad("braces", b"{a}", "Braces in a name (RFC 3986 3.2.2)."),
    bad("caret", b"a^b", "A caret in a name (RFC 3986 3.2.2)."),
    bad("half-escape", b"a%4", "An escape cut short (RFC 3986 2.1)."),
    bad("bad-escape", b"a%zz", "An escape that is no hex (RFC 3986 2.1)."),
    bad("lone-percent", b"a%", "A percent sign alone (RFC 3986 2.1)."),
    bad("obs-text", b"a\xe9", "A byte over ASCII (RFC 3986 3.2.2)."),
    bad("no-break-space", b"a\xa0", "A no-break space is not trimmed (RFC 9112 5.1)."),
    bad(
        "nul",
        b"a\x00.b",
        "NUL in Host, where one reader may stop and another go on (RFC 9110 5.5).",
    ),
    bad("port-word", b"a:b", "A port is digits (RFC 3986 3.2.3)."),
    bad("port-too-high", b"a:65536", "No port is over 65535 (RFC 9110 7.2)."),
    bad("port-wraps", b"a:4294967376", "A port that is 80 in 32 bits (RFC 9110 7.2)."),
    bad(
        "port-five-thousand-digits",
        b"a:" + b"9" * 5000,
        "A port of more digits than Python converts (RFC 9110 7.2).",
    ),
    bad("port-negative", b"a:-80", "A sign is no digit (RFC 3986 3.2.3)."),
    bad("port-plus", b"a:+80", "A plus sign is no digit (RFC 3986 3.2.3)."),
    bad("port-underscore", b"a:8_0", "An underscore is no digit (RFC 3986 3.2.3)."),
    bad("port-hex", b"a:0x50", "A port is decimal (RFC 3986 3.2.3)."),
    bad("port-space", b"a: 80", "A space before the port (RFC 3986 3.2.3)."),
    bad("port-superscript", b"a:\xb2", "A superscript two is no DIGIT (RFC 5234 B.1)."),
    bad("two-ports", b"a:80:80", "Two ports (RFC 3986 3.2.3)."),
    bad("ipv6-bare", b"::1", "An IPv6 address without brackets (RFC 3986 3.2.2)."),
    bad("ipv6-unclosed", b"[::1", "An IPv6 literal not closed (RFC 3986 3.2.2)."),
    bad("ipv6-unopened", b"::1]", "An IPv6 literal not opened (RFC 3986 3.2.2)."),
    bad("ipv6-empty", b"[]", "Brackets around nothing (RFC 3986 3.2.2)."),
    bad("ipv6-three-colons", b"[:::1]", "Three colons in a row (RFC 3986 3.2.2)."),
    bad("ipv6-two-gaps", b"[1::2::3]", "Two gaps (RFC 3986 3.2.2)."),
    bad("ipv6-nine-groups", b"[1:2:3:4:5:6:7:8:9]", "Nine groups (RFC 3986 3.2.2)."),
    bad("ipv6-seven-groups", b"[1:2:3:4:5:6:7]", "Seven groups and no gap (RFC 3986 3.2.2)."),
    bad("ipv6-five-digits", b"[12345::1]", "A group of five digits (RFC 3986 3.2.2)."),
    bad("ipv6-not-hex", b"[g::1]", "A group that is no hex (RFC 3986 3.2.2)."),
    bad("ipv6-bad-ipv4", b"[::256.1.1.1]", "An embedded IPv4 address over 255 (RFC 3986 3.2.2)."),
    bad(
        "ipv6-short-ipv4",
        b"[::1.2.3]",
        "An embedded IPv4 address of three numbers (RFC 3986 3.2.2).",
    ),
    bad(
        "ipv6-zone", b"[fe80::1%25eth0]", "A zone is no part of a Host (RFC 3986 3.2.2, RFC 9844)."
    ),
    bad(
        "ipv6-raw-zone",
        b"[fe80::1%eth0]",
        "Nor is one that is not escaped (RFC 3986 3.2.2, RFC 9844).",
    ),
    bad("ipv6-spaces", b"[ ::1 ]", "Spaces in the brackets (RFC 3986 3.2.2)."),
    bad("ipv6-prefix-length", b"[::1/64]", "A network is no host (RFC 3986 3.2.2)."),
    bad("ipv6-text-behind", b"[::1]x", "Text behind the brackets (RFC 3986 3.2.2)."),
    bad("ipv6-text-before", b"x[::1]", "Text before the brackets (RFC 3986 3.2.2)."),
    bad("ipv6-port-word", b"[::1]:x", "A port behind brackets is digits too (RFC 3986 3.2.3)."),
    bad("ip-future-empty", b"[v1.]", "An address of a later kind has an address (RFC 3986 3.2.2)."),
    bad(
        "ipv6-leading-zeros-ipv4",
        b"[::01.2.3.4]",
        "An embedded IPv4 address with a leading zero (RFC 3986 3.2.2).",
    ),
    bad("ipv4-in-brackets", b"[127.0.0.1]", "Brackets are not for IPv4 (RFC 3986 3.2.2)."),
    bad("name-in-brackets", b"[a.b]", "Brackets are not for names (RFC 3986 3.2.2)."),
)

CASES = (*COUNT, *GOOD, *BAD)
