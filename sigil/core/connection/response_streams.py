"""The parts of it."""

from ..close_reasons import CloseReason
from ..conn import Ticket
from ..effects import ERROR_LOG, CloseBody, Effect, Log, LogLevel, Pull
from ..events import StreamChunk, StreamEnded
from ..http.encode import Framing, encode_chunk, encode_last_chunk
from ..http.sse import KEEP_ALIVE_COMMENT
from .client import Client, Context, Disconnected, Outcome, Step
from .deadlines import STREAMS, waiting_for
from .output import write
from .responses import finish_response, with_outgoing


def take_chunk(client: Client, event: StreamChunk, context: Context) -> Outcome:
    """A stream yielded: send it on, and ask for more unless the client is behind."""
    outgoing = client.outgoing
    stream = outgoing.streaming
    if stream is None or event.ticket.number != client.responded:
        return client, []
    segments: tuple[bytes, ...] | str = encode_chunk(stream, event.data) if event.data else ()
    if isinstance(segments, str):
        return abort_stream(client, event.ticket, segments)
    wants = not outgoing.outbox
    left = stream._replace(remaining=stream.remaining - len(event.data), is_pulled=wants)
    since = context.now if waiting_for(client) in STREAMS else client.waiting_since
    client = client._replace(outgoing=outgoing._replace(streaming=left), waiting_since=since)
    effects: list[Effect] = []
    if segments:
        client, effects = write(client, segments)
    return client, [*effects, Pull(event.ticket)] if wants else effects


def end_stream(client: Client, event: StreamEnded) -> Outcome:
    """A stream has no more: mark its end."""
    stream = client.outgoing.streaming
    if stream is None or event.ticket.number != client.responded:
        return client, []
    segments = encode_last_chunk(stream)
    if isinstance(segments, str):
        return abort_stream(client, event.ticket, segments)
    return finish_response(client, segments, stream.closes)


def pull_again(client: Client) -> Step:
    """Ask the stream for its next piece, if there is one and it was not asked."""
    stream = client.outgoing.streaming
    if stream is None or stream.is_pulled:
        return client, []
    asked = with_outgoing(
        client, client.outgoing._replace(streaming=stream._replace(is_pulled=True))
    )
    return asked, [Pull(Ticket(client.conn, client.responded))]


def send_sse_comment(client: Client, context: Context) -> Outcome:
    """An event stream has been silent for long: a comment says that it is still there (WHATWG HTML
    section 9.2.7).
    """
    stream, client = client.outgoing.streaming, client._replace(waiting_since=context.now)
    if stream is None or stream.framing is Framing.CONTENT_LENGTH:
        return client, []  # every byte of it was promised to somebody
    segments = encode_chunk(stream, KEEP_ALIVE_COMMENT)
    assert not isinstance(segments, str)
    return write(client, segments)


def stream_timed_out(client: Client, context: Context) -> Outcome:
    """The next piece of a stream is overdue."""
    problem = f"the stream yielded nothing for {context.limits.response_timeout:g} s"
    return abort_stream(client, Ticket(client.conn, client.responded), problem)


def abort_stream(client: Client, ticket: Ticket, problem: str) -> Outcome:
    """A body that has begun cannot be ended properly: only a broken connection tells the client so."""
    text = f"{client.outstanding[0].method} {client.outstanding[0].target}: {problem}"
    return Disconnected(client, CloseReason.HANDLER_ERROR), [
        Log(ERROR_LOG, LogLevel.ERROR, text),
        CloseBody(ticket),
    ]
