"""Streamed responses and files: piece by piece, as fast as the client takes them.

Theory: a streamed body is pulled: the program is asked for one chunk at a time (`Pull`), and not
while the client is behind with reading, which is all the back-pressure there is. A file is sent by
the kernel, a bounded amount at a time (`SendFile`), and how much it took comes back (`FileSent`).
As long as there is more of a file the client counts as full (`Outgoing.is_full`), so that the next
piece is sent when the kernel reports room, and the others had their turn.

Rules: the first outstanding request is the one whose body is streamed; an event that names another
is late, and nothing comes of it. A body that has begun and cannot be ended properly breaks the
connection, for nothing else tells the client that it is not whole. It does not know where chunks
come from.
"""

from ..close_reasons import CloseReason
from ..conn import Ticket
from ..effects import ERROR_LOG, CloseBody, Effect, Log, LogLevel, Pull, SendFile
from ..events import FileSent, StreamChunk, StreamEnded
from ..http.chunks import Framing, after_chunk, encode_chunk, encode_last_chunk
from ..http.sse import KEEP_ALIVE_COMMENT
from ..limits import Limits
from .client import Client, Disconnected, after_send, settled, with_outgoing
from .context import Context, Outcome, Step
from .deadlines import STREAMS, waiting_for
from .outgoing import with_outbox, with_streaming
from .output import write
from .responses import finish_response


def on_stream_chunk(client: Client, event: StreamChunk, context: Context) -> Outcome:
    """Send a chunk of a streamed body, and pull the next one unless the client is behind."""
    outgoing = client.outgoing
    stream = outgoing.streaming
    if stream is None or event.ticket.number != client.responded:
        return client, []
    segments: tuple[bytes, ...] | str = encode_chunk(stream, event.data) if event.data else ()
    if isinstance(segments, str):
        return abort_stream(client, event.ticket, segments)
    is_pulled = not outgoing.outbox
    waiting_since = context.now if waiting_for(client) in STREAMS else client.waiting_since
    outgoing = with_streaming(outgoing, after_chunk(stream, len(event.data), is_pulled))
    client = settled(client, client.incoming, outgoing, waiting_since)
    effects: list[Effect] = []
    if segments:
        client, effects = write(client, segments)
    return client, [*effects, Pull(event.ticket)] if is_pulled else effects


def end_stream(client: Client, event: StreamEnded) -> Outcome:
    """End a streamed body, with its last chunk if it is chunked."""
    stream = client.outgoing.streaming
    if stream is None or event.ticket.number != client.responded:
        return client, []
    segments = encode_last_chunk(stream)
    if isinstance(segments, str):
        return abort_stream(client, event.ticket, segments)
    return finish_response(client, segments, stream.closes)


def count_file(client: Client, event: FileSent, context: Context) -> Outcome:
    """Count what was sent of a file, and end the response behind the last byte; the rest is sent
    when the kernel has room, and the others had their turn.
    """
    outgoing = client.outgoing
    stream = outgoing.streaming
    if stream is None or not stream.is_file or event.ticket.number != client.responded:
        return client, []
    waiting_since = context.now if event.taken else client.waiting_since
    outgoing = with_streaming(outgoing, after_chunk(stream, event.taken, False))
    has_more = event.taken < stream.remaining
    outgoing = with_outbox(outgoing, outgoing.outbox, has_more)
    client = after_send(client, outgoing, waiting_since, event.taken)
    if has_more:
        return client, []
    return finish_response(client, (), stream.closes)


def pull_again(client: Client, limits: Limits) -> Step:
    """Pull the next chunk, or order more of a file, if the client was behind when it was due."""
    outgoing = client.outgoing
    if outgoing.streaming is None or outgoing.streaming.is_pulled:
        return client, []
    streaming = after_chunk(outgoing.streaming, 0, True)
    client = with_outgoing(client, with_streaming(outgoing, streaming))
    ticket = Ticket(client.conn, client.responded)
    if streaming.is_file:
        return client, [SendFile(ticket, limits.max_file_send_len)]
    return client, [Pull(ticket)]


def send_sse_comment(client: Client, context: Context) -> Outcome:
    """Send a comment on an event stream of the program that has been silent, so that proxies keep
    it (WHATWG HTML section 9.2.7).
    """
    stream, client = client.outgoing.streaming, client.replace(waiting_since=context.now)
    if stream is None or stream.framing is Framing.CONTENT_LENGTH:
        return client, []  # every byte of the body belongs to an event
    segments = encode_chunk(stream, KEEP_ALIVE_COMMENT)
    assert not isinstance(segments, str)
    return write(client, segments)


def stream_timed_out(client: Client, context: Context) -> Outcome:
    """Break off a streamed body whose next chunk is overdue."""
    problem = f"the stream yielded nothing for {context.limits.response_timeout:g} s"
    return abort_stream(client, Ticket(client.conn, client.responded), problem)


def abort_stream(client: Client, ticket: Ticket, problem: str) -> Outcome:
    """Break the connection in the middle of a body, which tells the client that it is not whole;
    the error log gets the problem.
    """
    head = client.outstanding[0]
    text = f"{head.method} {head.target}: {problem}"
    effects: list[Effect] = [Log(ERROR_LOG, LogLevel.ERROR, text), CloseBody(ticket)]
    return Disconnected(client, CloseReason.HANDLER_ERROR), effects
