"""Files as a handler: `static_files(root)`.

Theory: the path of a request becomes names or nothing (`core.web.file_paths`), the names a file or
nothing (`file_ops`), and the file a response as if all of it were sent; what is sent of it is
decided when that is about to happen (`core.web.file_content`). So middleware around this sees a
status and fields as of any other response.

Rules: nothing but GET and HEAD; 405 for others. What is refused, what is not there and what may not
be read are the same 404. A folder is its index, if it has one, or its listing, if that is wanted; a
path to one without a slash is sent to the one with it. A sibling that is compressed already,
`.zst`, `.br` or `.gz`, is sent to whoever accepts it. Options that make no sense are refused where
they are written. It does not know sockets.
"""

import logging
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from ...core.effects import ERROR_LOG
from ...core.http.bodies import FileBody
from ...core.http.field_lines import check_headers
from ...core.http.headers import Headers, Pairs, to_pairs
from ...core.http.request import Request
from ...core.http.response import Response
from ...core.http.validate import safe_repr
from ...core.web.cache_rules import CacheRules, cache_control
from ...core.web.fields import with_vary
from ...core.web.file_content import entity_tag
from ...core.web.file_paths import PathPolicy, RelativePath, relative_path, without_prefix
from ...core.web.listing import Entry, listing_page
from ...core.web.mime import MIME_TYPES, media_type_of
from ...core.web.negotiation import accepts_type, rank_codings
from ..program.file_bodies import problem_of
from ..program.handlers import Handler
from ..program.logs import write_text
from ..program.open_file import ReadableFile
from .file_ops import FileOps, Names, file_ops
from .folder_files import LISTED_MAX

_ERRORS = logging.getLogger(ERROR_LOG)
CODINGS: Final = {"zstd": ".zst", "br": ".br", "gzip": ".gz"}
"""The endings of siblings that are compressed, the best first."""
_COMPRESSIBLE: Final = ("text/", "application/json", "image/svg", "application/wasm")
_MARKS: Final = ("+json", "+xml", "/manifest", "/xml", "x-icon", "font/ttf", "font/otf")
_ALLOWED: Final = (("Allow", "GET, HEAD, OPTIONS"),)
_SNIFF: Final = (("X-Content-Type-Options", "nosniff"),)


class FileOptions(NamedTuple):
    """What `static_files` was given beside its root."""

    prefix: str
    index_name: str
    listing: bool
    fallback: str
    policy: PathPolicy
    codings: tuple[str, ...]
    cache: CacheRules
    types: Mapping[str, str]
    headers: Pairs


def static_files(
    root: Any,
    *,
    prefix: str = "",
    index: str = "index.html",
    listing: bool = False,
    fallback: str = "",
    dot_files: bool = False,
    follow_links: bool = True,
    precompressed: bool = True,
    cache: str | Iterable[tuple[str, str]] = (),
    types: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | Headers | Iterable[tuple[str, str]] = (),
) -> Handler:
    """A handler that answers with the files of a folder, or of a mapping, a zip, the resources of a
    package or a `FileOps`; to be mounted, or to be all of a program.

    `prefix` is what paths begin with, where it is not mounted. `index` is the file that stands for
    its folder (empty: none), `listing` whether a folder without it is listed. `fallback` is the
    file that is sent in the place of one that is not there to whoever wants a page: that of a
    single-page app. `dot_files` are refused by default, but for `.well-known`; links are followed
    as long as they do not leave the root. `precompressed` siblings (`a.css.br`) are sent to who
    accepts them. `cache` is a Cache-Control, or rules of (pattern, value), the first that fits:
    `(("assets/*", "max-age=31536000, immutable"),)`; no-cache is the default. `types` are media
    types by ending (`{".foo": "text/foo"}`) beside those known, `headers` go with every file.
    """
    pairs = to_pairs(headers)
    rules = [("*", cache)] if isinstance(cache, str) else list(cache)
    problem = check_headers((*pairs, *(("Cache-Control", value) for _, value in _checked(rules))))
    if problem is not None:
        raise ValueError(problem)
    for text in (index, fallback):
        if not isinstance(text, str) or (text and relative_path(f"/{text}") is None):
            raise ValueError(f"a file is named from the root, such as index.html, not {text!r}")
    _check_types(dict(types or {}))
    if not isinstance(prefix, str) or (prefix and not prefix.startswith("/")):
        raise ValueError(f"a prefix begins with a slash, not {prefix!r}")
    options = FileOptions(
        prefix,
        index,
        listing,
        fallback,
        PathPolicy(dot_files),
        tuple(CODINGS) if precompressed else (),
        tuple(rules),
        {**MIME_TYPES, **{ending.lower(): name for ending, name in (types or {}).items()}},
        (*pairs, *_SNIFF),
    )
    files = file_ops(root, follow_links)

    def handle_file(request: Request) -> Response:
        return respond(files, options, request)

    return handle_file


def _checked(rules: list[Any]) -> list[tuple[str, str]]:
    """The rules, each a pattern and a value; TypeError for what is none."""
    for rule in rules:
        is_pair = isinstance(rule, tuple | list) and len(rule) == 2
        if not is_pair or not all(isinstance(part, str) for part in rule):
            raise TypeError(f"a rule for caches is (pattern, value), not {safe_repr(rule)}")
    return rules


def _check_types(types: Mapping[str, str]) -> None:
    """ValueError for what is no ending, which has one dot, and for a media type that cannot be
    sent.
    """
    for ending, media_type in types.items():
        if not isinstance(ending, str) or ending.rfind(".") != 0:
            raise ValueError(
                "an ending of a file begins with a dot, its last, like .gz in a.tar.gz; not "
                f"{safe_repr(ending)}"
            )
        if not isinstance(media_type, str):
            raise ValueError(f"a media type is a str, not {safe_repr(media_type)}")
        problem = check_headers((("Content-Type", media_type),))
        if problem is not None:
            raise ValueError(problem)


def respond(files: FileOps, options: FileOptions, request: Request) -> Response:
    """What a request is answered with."""
    if request.method not in ("GET", "HEAD"):
        if request.method == "OPTIONS":
            return Response(204, _ALLOWED, b"")
        return Response.error(405, "files are read with GET and HEAD", headers=_ALLOWED)
    raw: str | None = request.subpath
    if options.prefix and raw is not None:
        raw = without_prefix(raw, options.prefix)
    if raw == "":
        return _to_folder(request)
    path = None if raw is None else relative_path(raw, options.policy)
    if path is None:
        return _not_found(files, options, request)
    try:
        found = _find(files, options, request, path)
    except (OSError, ValueError) as error:
        return _failed(error, request)
    return _not_found(files, options, request) if found is None else found


def _find(
    files: FileOps, options: FileOptions, request: Request, path: RelativePath
) -> Response | None:
    """The file or folder that a path leads to; None if there is none."""
    names = path.names
    if path.is_folder:
        return _find_folder(files, options, request, names)
    try:
        return _send(files, options, request, names)
    except IsADirectoryError:
        return _to_folder(request)
    except OSError as error:
        if is_missing(error):
            return None
        raise


def _find_folder(
    files: FileOps, options: FileOptions, request: Request, names: Names
) -> Response | None:
    """The index of a folder, or its listing; None if there is neither."""
    if options.index_name:
        try:
            return _send(files, options, request, (*names, options.index_name))
        except OSError as error:
            if not is_missing(error):
                raise
    if not options.listing:
        return None
    try:
        entries = list(islice(files.list(names), LISTED_MAX + 1))
    except OSError as error:
        if is_missing(error):
            return None
        raise
    return _list(options, request, entries)


def _list(options: FileOptions, request: Request, entries: list[Entry]) -> Response:
    """The listing of a folder, without what cannot be asked for."""
    shown = [
        entry
        for entry in entries[:LISTED_MAX]
        if relative_path(f"/{quote(entry.name)}", options.policy) is not None
    ]
    page = listing_page(request.path, shown, len(entries) > LISTED_MAX)
    fields = (("Cache-Control", "no-cache"), *options.headers)
    return Response.html(page, headers=fields)


def is_missing(error: OSError) -> bool:
    """True for a path that leads to no file: not there, a folder, not allowed."""
    problem = problem_of(error)
    return problem is not None and problem.status == 404 and not problem.details


def _send(files: FileOps, options: FileOptions, request: Request, names: Names) -> Response:
    """The response with a file, or with its compressed sibling."""
    name = names[-1] if names else ""
    media_type = media_type_of(name, options.types)
    file, coding = files.open(names), ""
    fields: list[tuple[str, str]] = [
        ("Content-Type", media_type),
        ("Cache-Control", cache_control("/".join(names), options.cache)),
    ]
    varies: tuple[str, ...] = ()
    if options.codings and is_compressible(media_type):
        varies = ("Accept-Encoding",)
        accepted = rank_codings(request.headers.get("accept-encoding"), options.codings)
        for coding in accepted:
            sibling = _open_sibling(files, (*names[:-1], name + CODINGS[coding]))
            if sibling is not None:
                file.close()
                file = sibling
                fields.append(("Content-Encoding", coding))
                break
        else:
            coding = ""
    facts = file.facts
    fields.append(("ETag", entity_tag(facts, f"-{coding}" if coding else "")))
    keys = {key.lower() for key, _ in options.headers}
    kept = [pair for pair in fields if pair[0].lower() not in keys]
    return with_vary(Response(200, (*kept, *options.headers), FileBody(file)), *varies)


def _open_sibling(files: FileOps, names: Names) -> ReadableFile | None:
    """A file that may be there or not."""
    try:
        return files.open(names)
    except OSError:
        return None


def is_compressible(media_type: str) -> bool:
    """True for a type of which a compressed sibling makes sense."""
    return media_type.startswith(_COMPRESSIBLE) or any(mark in media_type for mark in _MARKS)


def _to_folder(request: Request) -> Response:
    """To the same path with a slash, so that what a page names beside it is found."""
    path, _, query = request.target.partition("?")
    if "://" in path and not path.startswith("/"):
        path = "/" + path.split("/", 3)[-1]
    location = f"{path}/?{query}" if query else f"{path}/"
    return Response.redirect(location, 301, headers=(("Cache-Control", "no-cache"),))


def _not_found(files: FileOps, options: FileOptions, request: Request) -> Response:
    """The fallback, if there is one and a page is wanted; else a 404. Which of them it is depends
    on Accept.
    """
    if not options.fallback:
        return Response.error(404)
    if not accepts_type(request.headers.get("accept", ""), "text/html"):
        return with_vary(Response.error(404), "Accept")
    try:
        page = _send(files, options, request, tuple(options.fallback.split("/")))
    except (OSError, ValueError) as error:
        return _failed(error, request)
    return with_vary(page, "Accept")


def _failed(error: BaseException, request: Request) -> Response:
    """The response in the place of a file that cannot be opened; raises what is the disk's own
    failure.
    """
    problem = problem_of(error)
    if problem is None or problem.status == 500:
        raise error
    if problem.details:
        text = f"{request.method} {request.target}: {problem.details}"
        write_text(_ERRORS, logging.ERROR, text)
    retry = (("Retry-After", "1"),) if problem.status == 503 else ()
    return Response.error(problem.status, problem.message, headers=retry)
