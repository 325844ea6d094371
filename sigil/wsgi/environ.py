"""The environ of a request: what PEP 3333 gives an application, as a function of the request.

Theory: an environ is CGI's (RFC 3875) in a dictionary. What a request says is written into it as
text of Latin-1, whose characters are the bytes that came ("native strings"): an application encodes
them back and decodes as it likes. So the path is percent-decoded into bytes, and these are
characters.

Rules: a field whose name has an underscore is left out, since `X-User` and `X_User` would be one
key, and whoever puts a proxy in front that sets the one does not expect a stranger to set it by the
other. Transfer-Encoding is left out, as the server has taken it off. The host is that of an
absolute target before that of the Host field, as `Request.host` has it. Scheme and peer are those
of the request, which `sigil.web.trusted_proxies` may have changed. It knows neither the
application nor where it runs.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import unquote_to_bytes

from sigil import Request

Environ: TypeAlias = dict[str, Any]

DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
_OWN_KEYS: Final = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
_LEFT_OUT: Final = frozenset(("transfer-encoding",))
"""Fields that the server has acted on, and which say nothing about what it hands on."""
_VERSIONS: Final = ("HTTP/1.0", "HTTP/1.1")


class Place(NamedTuple):
    """Where an application is: `script_name` is the path that leads to it, from outside, and
    `host` and `port` are those of the server, for requests that name no host.
    """

    script_name: str = ""
    host: str = "localhost"
    port: int = 0


def check_script_name(script_name: object) -> str | None:
    """None for a path that may lead to an application, percent-encoded: empty, or one that begins
    with a slash and does not end with one. Else a sentence.
    """
    if not isinstance(script_name, str):
        return f"script_name is a str, not {type(script_name).__name__}"
    if not script_name:
        return None
    is_path = script_name[0] == "/" and script_name[-1] != "/" and "?" not in script_name
    if is_path and script_name.isascii():
        return None
    return f"script_name is '' or a path such as '/app', percent-encoded, not {script_name!r}"


def make_environ(request: Request, base: Mapping[str, Any], place: Place) -> Environ:
    """The environ of a request without `wsgi.input`: `base`, and what the request says."""
    peer, scheme, host = request.peer, request.scheme, request.host
    script_name, path_info = split_path(request.subpath, request.mount_path, place.script_name)
    environ = {
        **base,
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": script_name,
        "PATH_INFO": path_info,
        "QUERY_STRING": request.query,
        "REQUEST_URI": request.target,
        "SERVER_PROTOCOL": _VERSIONS[request.version],
        "wsgi.url_scheme": scheme,
        "sigil.request": request,
    }
    for name, value in request.headers.items():
        key = environ_key(name)
        if key:
            environ[key] = value
    if host:
        environ["HTTP_HOST"] = host
        environ["SERVER_NAME"], environ["SERVER_PORT"] = split_host(host, scheme)
    else:
        environ["SERVER_NAME"] = place.host
        environ["SERVER_PORT"] = str(place.port or DEFAULT_PORTS[scheme])
    if peer.port:
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = peer.host, str(peer.port)
    else:
        environ["REMOTE_ADDR"] = address_of(peer.host)
    return environ


@lru_cache(maxsize=512)
def environ_key(name: str) -> str:
    """The key of the header field with this name, which is in lower case; empty if it has none."""
    if "_" in name or name in _LEFT_OUT:
        return ""
    return _OWN_KEYS.get(name) or "HTTP_" + name.upper().replace("-", "_")


def split_path(subpath: str, mount_path: str, script_name: str) -> tuple[str, str]:
    """(SCRIPT_NAME, PATH_INFO): the path that leads to the application, and the rest.

    `mount_path` and `subpath` are those of the request: where a route has mounted the application,
    and what is behind it. `script_name` is where a proxy has: it is in front of both, unless the
    proxy has left it in the path, where it is the beginning of it.
    """
    if not script_name:
        return native(mount_path), native(subpath)
    path = mount_path + subpath
    if path == script_name or path.startswith(script_name + "/"):
        end = max(len(script_name), len(mount_path))
        return native(path[:end]), native(path[end:])
    return native(script_name + mount_path), native(subpath)


def native(path: str) -> str:
    """The path, percent-decoded, its bytes as characters."""
    return unquote_to_bytes(path).decode("latin-1") if "%" in path else path


@lru_cache(maxsize=256)
def split_host(host: str, scheme: str) -> tuple[str, str]:
    """(SERVER_NAME, SERVER_PORT) of an authority, whose port is the scheme's if it has none; an
    IPv6 address stays in its brackets (RFC 3875 section 4.1.14).
    """
    name, colon, port = host.rpartition(":")
    if not colon or port.endswith("]"):
        return host, DEFAULT_PORTS[scheme]
    return name, port or DEFAULT_PORTS[scheme]


def address_of(host: str) -> str:
    """REMOTE_ADDR of a peer without a port: an address that a proxy has named, or empty for a Unix
    socket.
    """
    return host if host and host[0] not in "/@." else ""
