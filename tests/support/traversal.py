"""Paths by which one would leave a folder, or read what is hidden in it: a corpus for whatever
turns the path of a request into that of a file.

It is made of what has worked against somebody: encodings of `..`, of slashes and of NUL, names of
other systems, and mixtures. Every one of them is as it is sent, and none may be answered with a
file. `SECRET` stands beside the root and `.hidden` in it.
"""

from itertools import product

DOTS = (
    "..", ".%2e", "%2e.", "%2e%2e", "%2E%2E", "%252e%252e", "%25252e%25252e", "%c0%ae%c0%ae",
    "%c0%2e%c0%2e", "%e0%80%ae%e0%80%ae", "%uff0e%uff0e", "..%00", "..%0a", "..%20", "...",
    "....", ".. ".replace(" ", "%20"), "..;", "..%c0%af", "%2e%2e%2e%2e",
)  # fmt: skip
"""Forms of the folder above, or what somebody took for it."""
SLASHES = ("/", "%2f", "%2F", "%5c", "%5C", "%252f", "%255c", "%c0%af", "%c1%9c", "//", "/./")
"""Forms of a slash."""
DEPTHS = (1, 3)

ABOVE = tuple(
    f"/{prefix}{slash.join([dots] * depth)}{slash}SECRET"
    for prefix, dots, slash, depth in product(("", "sub/"), DOTS, SLASHES, DEPTHS)
)
HIDDEN = (
    "/.hidden", "/%2ehidden", "/%2Ehidden", "/sub/.hidden", "/.git/config", "/sub/../.hidden",
    "/.hidden/", "/%252ehidden", "/.hidden%00.txt", "/.hidden%20", "/.hidden.", "/./.hidden",
    "/..hidden", "/.%2fhidden", "/.env", "/.htpasswd", "/.ssh/id_rsa", "/.DS_Store",
)  # fmt: skip
NAMES = (
    "/etc/passwd", "//etc/passwd", "///etc/passwd", "/%2fetc/passwd", "/%2Fetc%2Fpasswd",
    "/C:/SECRET", "/c:SECRET", "/C%3A/SECRET", "/C%3a%5cSECRET", "/%5c%5chost%5cshare",
    "/a.txt%00", "/a.txt%00.html", "/%00", "/a%00/../SECRET", "/a.txt.", "/a.txt%20", "/a.txt%2e",
    "/a.txt::$DATA", "/a.txt%3a%3a%24DATA", "/a.txt/", "/a.txt/.", "/a.txt/..", "/a.txt/../a.txt",
    "/a.txt%0a", "/a.txt%0d%0aX:1", "/a.txt%09", "/%7f", "/%80", "/%ff%fe", "/a%e2%80%aetxt",
    "/sub//b.txt", "/sub/./b.txt", "/sub/../a.txt", "/./a.txt", "/.", "/..", "/./", "/../",
    "/sub%2fb.txt", "/sub%5cb.txt", "/sub%252fb.txt", "/" + "a" * 300, "/" + "a/" * 100 + "a.txt",
    "/~root/SECRET", "/%%32%65%%32%65/SECRET", "/%", "/%2", "/%zz", "/$HOME/SECRET",
    "/proc/self/environ", "/dev/null", "/%2e", "/%20a.txt", "/sub/%2e%2e%2f%2e%2e%2fSECRET",
)  # fmt: skip

CORPUS = tuple(dict.fromkeys((*ABOVE, *HIDDEN, *NAMES)))
"""All of them, each once."""
