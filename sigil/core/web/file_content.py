"""What is sent of a file: all of it, a part, several parts, or only word that nothing is to be.

Theory: whoever opens a file knows how long it is and when it was modified, and nothing else. From
these two facts follow its validators, and from those and the fields of a request follows the
response. So a response with a file in it is made in two steps: first as if all of it were sent
(`file_fields`), then, when the file is open and the request at hand, as what the client needs of it
(`select_content`).

Rules: an entity tag is strong only if the file was left alone for `SETTLED_NS` before it was
opened: what is modified twice within the grain of a clock has one time, perhaps one length, and two
contents. The same holds for its date. Fields that the program has given are left as they are, and
count. It does not know paths, nor how bytes are had.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from ..http.bodies import FileBody, FilePart, FileSpan
from ..http.dates import format_date, parse_date
from ..http.headers import Headers, Pairs
from ..http.request import Request
from ..http.response import Response
from .conditions import (
    Validators,
    Verdict,
    check_preconditions,
    is_range_wanted,
)
from .fields import without_fields
from .mime import MIME_TYPES, OCTETS, media_type_of
from .ranges import (
    Span,
    content_range,
    multipart_pieces,
    select_ranges,
    unsatisfied_range,
)

SETTLED_NS: Final = 2 * 10**9
"""Nanoseconds: the coarsest grain of a clock that a file system has, which is that of FAT."""
_NS: Final = 10**9
_OF_CONTENT: Final = frozenset(
    ("content-type", "content-encoding", "content-disposition", "content-language", "accept-ranges")
)
"""Fields about content, which a response without any leaves out."""
_OF_FILE: Final = _OF_CONTENT | {"content-length", "cache-control", "expires"}
"""Fields about a file that is sent: a cache must not keep a refusal for as long as that."""
_VALIDATORS: Final = ("etag", "last-modified")


class FileFacts(NamedTuple):
    """What an open file is known by: its length in bytes, when it was modified last (0 if nobody
    knows), and the time at which it was opened, in nanoseconds since 1970; and, if there is one, an
    entity tag by its content.
    """

    length: int
    modified_ns: int
    now_ns: int
    content_tag: str = ""


def is_settled(facts: FileFacts) -> bool:
    """True if a file was left alone for long enough before it was opened."""
    return facts.now_ns - facts.modified_ns >= SETTLED_NS


def entity_tag(facts: FileFacts, suffix: str = "") -> str:
    """The entity tag of a file, quotes included, of its length and the time of its modification;
    `suffix` tells its encodings apart. Weak if the file was modified just now. Or that by its
    content, if there is one.
    """
    if facts.content_tag:
        return f'{facts.content_tag[:-1]}{suffix}"'
    tag = f'"{facts.length:x}-{facts.modified_ns:x}{suffix}"'
    return tag if is_settled(facts) else f"W/{tag}"


def file_fields(
    given: Pairs, name: str, facts: FileFacts, types: Mapping[str, str] = MIME_TYPES
) -> Pairs:
    """The fields of a response with a file of this name: those that are `given`, and the media
    type, the validators and Accept-Ranges, if they are not among those.
    """
    keys = {key.lower() for key, _ in given}
    fields = (
        ("Content-Type", media_type_of(name, types)),
        ("Last-Modified", format_date(min(facts.modified_ns, facts.now_ns) // _NS)),
        ("ETag", entity_tag(facts)),
        ("Accept-Ranges", "bytes"),
    )
    if not facts.modified_ns:
        keys.add("last-modified")
    return (*[pair for pair in fields if pair[0].lower() not in keys], *given)


def validators_of(fields: Headers, facts: FileFacts) -> Validators:
    """The validators that are among the fields of a response with a file."""
    date = fields.get("last-modified")
    modified = None if date is None else parse_date(date)
    return Validators(fields.get("etag"), modified, is_settled(facts))


def select_content(
    request: Request,
    response: Response,
    facts: FileFacts,
    boundary: str,
    max_ranges: int,
) -> Response:
    """What a client is sent of a response whose body is a whole file and whose fields are complete:
    that with the parts of it, or in its place a 304, 412 or 416.

    `boundary` separates several parts. Only a 200 is conditional: what is sent with another status
    is not what was asked for.
    """
    body = response.body
    assert isinstance(body, FileBody)
    whole = response.replace(body=FileBody(body.file, (FileSpan(0, facts.length),)))
    if response.status != 200:
        return whole
    fields = Headers(response.headers)
    validators = validators_of(fields, facts)
    verdict = check_preconditions(request.method, request.headers, validators)
    if verdict is not Verdict.PROCEED:
        return _without_content(response, verdict)
    wanted = request.headers.get("range")
    if wanted is None or request.method != "GET":
        return whole
    if fields.get("accept-ranges") == "none" or not is_range_wanted(request.headers, validators):
        return whole
    spans = select_ranges(wanted, facts.length, max_ranges)
    if spans is None:
        return whole
    return _with_ranges(response, fields, body.file, spans, facts.length, boundary)


def _without_content(response: Response, verdict: Verdict) -> Response:
    """The response that says that a client has the file already, or has another one."""
    if verdict is Verdict.NOT_MODIFIED:
        return Response(304, without_fields(response.headers, *_OF_CONTENT), b"")
    failed = Response.error(412, "the file is not what the request expects it to be")
    kept = without_fields(response.headers, *_OF_FILE)
    return failed.replace(headers=(*failed.headers, *kept))


def _with_ranges(
    response: Response,
    fields: Headers,
    file: object,
    spans: tuple[Span, ...],
    length: int,
    boundary: str,
) -> Response:
    """The response with these parts of a file; 416 if there are none."""
    if not spans:
        refused = Response.error(416, f"the file has {length} bytes, and none of those asked for")
        more = (("Content-Range", unsatisfied_range(length)), ("Accept-Ranges", "bytes"))
        kept = without_fields(response.headers, *_OF_FILE, *_VALIDATORS)
        return refused.replace(headers=(*refused.headers, *more, *kept))
    given = without_fields(response.headers, "content-length")  # which is that of the whole
    if len(spans) == 1:
        parts: tuple[FilePart, ...] = (_file_span(spans[0]),)
        headers = (*given, ("Content-Range", content_range(spans[0], length)))
        return Response(206, headers, FileBody(file, parts))
    content_type = fields.get("content-type", OCTETS)
    pieces = multipart_pieces(spans, length, content_type, boundary)
    parts = tuple([_file_span(piece) if isinstance(piece, Span) else piece for piece in pieces])
    others = without_fields(given, "content-type")
    multipart = ("Content-Type", f"multipart/byteranges; boundary={boundary}")
    return Response(206, (multipart, *others), FileBody(file, parts))


def _file_span(span: Span) -> FileSpan:
    return FileSpan(span.start, span.end - span.start)
