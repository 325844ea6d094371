"""Streamed responses: chunk by chunk, as fast as the client takes them (RFC 9112 section 7.1).

Theory: a streamed body is pulled: the program is asked for one chunk at a time (`Pull`), and not
while the client is behind with reading, which is all the back-pressure there is.

Rules: the first outstanding request is the one whose body is streamed; an event that names another
is late, and nothing comes of it. A body that has begun and cannot be ended properly breaks the
connection, for nothing else tells the client that it is not whole. It does not know where chunks
come from.
"""

from ..close_reasons import CloseReason
from ..conn import Ticket
from ..effects import ERROR_LOG, CloseBody, Effect, Log, LogLevel, Pull
from ..events import StreamChunk, StreamEnded
from ..http.chunks import Framing, after_chunk, encode_chunk, encode_last_chunk
from ..http.sse import KEEP_ALIVE_COMMENT
from .client import Client, Disconnected, settled, with_outgoing
from .context import Context, Outcome, Step
from .deadlines import STREAMS, waiting_for
from .outgoing import with_streaming
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


def pull_again(client: Client) -> Step:
    """Pull the next chunk, if a body is streamed and the client was behind when it was due."""
    outgoing = client.outgoing
    if outgoing.streaming is None or outgoing.streaming.is_pulled:
        return client, []
    streaming = after_chunk(outgoing.streaming, 0, True)
    client = with_outgoing(client, with_streaming(outgoing, streaming))
    return client, [Pull(Ticket(client.conn, client.responded))]


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
