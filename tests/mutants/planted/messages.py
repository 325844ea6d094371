"""Bugs in `sigil.core.http` and `sigil.core.websocket`: heads, bodies, responses, frames."""

from tests.mutants.mutant import Law, Mutant

CUTS = "core/test_laws.py::test_cutting_a_stream_changes_neither_the_requests_nor_the_output"
ANSWERS = "core/test_laws_for_peers.py::test_h11_reads_our_answers_as_they_were_meant"
FRAME_CUTS = (
    "core/test_laws.py::test_cutting_a_conversation_changes_neither_the_messages_nor_the_output"
)

MESSAGES: tuple[Mutant, ...] = (
    Mutant(
        "bare LF accepted",
        "core/http/head.py",
        "a line feed without a carriage return is half of a line end too",
        "len(head.translate(None, LEGAL)) == 2 * head.count(CRLF)",
        'len(head.translate(None, LEGAL)) <= 2 * head.count(b"\\n")',
        Law("core/test_laws_for_peers.py::test_half_a_line_end_is_refused_wherever_it_stands"),
        "clients of worlds send good heads",
    ),
    Mutant(
        "trailer swallows the next request",
        "core/http/body.py",
        "what comes behind a trailer section is taken for a part of it",
        "    return (complete, end + 4) if error is None else error\n",
        "    return (complete, len(data)) if error is None else error\n",
        Law(CUTS),
        "clients of worlds send no bodies",
    ),
    Mutant(
        "Content-Length of HEAD",
        "core/http/encode.py",
        "the response to HEAD has the length of the body that it does not have",
        "    length: int | None = len(body)\n",
        "    length: int | None = len(body) if has_body else 0\n",
        Law(ANSWERS),
        "clients of worlds send no HEAD",
    ),
    Mutant(
        "mask begins anew",
        "core/websocket/messages.py",
        "the rest of a frame is unmasked as if it were its beginning",
        "    offset = length & 3\n"
        "    frame = PartialFrame(remaining, key[offset:] + key[:offset], frame.fin)\n"
        '    return MessageReader(b"", after, frame, False), None, end\n',
        "    frame = PartialFrame(remaining, key, frame.fin)\n"
        '    return MessageReader(b"", after, frame, False), None, end\n',
        Law(FRAME_CUTS),
        "messages of clients in worlds are a few bytes long, and seldom cut within",
    ),
    Mutant(
        "length of a chunk not counted",
        "core/http/chunks.py",
        "a stream of a declared length is never complete",
        "    remaining = stream.remaining - length\n",
        "    remaining = stream.remaining\n",
        Law(ANSWERS),
        "streams of worlds have no declared length",
    ),
)
