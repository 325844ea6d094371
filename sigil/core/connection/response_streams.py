"""The parts of it."""

from ..close_reasons import CloseReason
from ..conn import Ticket
from ..effects import Abandon, Effect, Note, Pull
from ..events import Chunk, Ended
from ..http.encode import Framing, encode_chunk, encode_end
from ..http.sse import COMMENT
from .client import Client, Context, Gone, Outcome, Step
from .deadlines import STREAMS, waiting_for
from .output import emit
from .responses import ERROR, _finish, _with


def take_chunk(client: Client, event: Chunk, context: Context) -> Outcome:
    """A stream yielded: send it on, and ask for more unless the client is behind."""
    outflow = client.outflow
    streaming = outflow.streaming
    if streaming is None or event.ticket.number != client.answered:
        return client, []
    segments: tuple[bytes, ...] | str = encode_chunk(streaming, event.data) if event.data else ()
    if isinstance(segments, str):
        return _break_off(client, event.ticket, segments)
    wants = not outflow.outbox
    left = streaming._replace(remaining=streaming.remaining - len(event.data), is_asked=wants)
    since = context.now if waiting_for(client) in STREAMS else client.since
    client = client._replace(outflow=outflow._replace(streaming=left), since=since)
    effects: list[Effect] = []
    if segments:
        client, effects = emit(client, segments)
    return client, [*effects, Pull(event.ticket)] if wants else effects


def take_end(client: Client, event: Ended) -> Outcome:
    """A stream has no more: mark its end."""
    streaming = client.outflow.streaming
    if streaming is None or event.ticket.number != client.answered:
        return client, []
    segments = encode_end(streaming)
    if isinstance(segments, str):
        return _break_off(client, event.ticket, segments)
    return _finish(client, segments, streaming.closes)


def ask_again(client: Client) -> Step:
    """Ask the stream for its next piece, if there is one and it was not asked."""
    streaming = client.outflow.streaming
    if streaming is None or streaming.is_asked:
        return client, []
    asked = _with(client, client.outflow._replace(streaming=streaming._replace(is_asked=True)))
    return asked, [Pull(Ticket(client.conn, client.answered))]


def keep_alive(client: Client, context: Context) -> Outcome:
    """An event stream has been silent for long: a comment says that it is still there (WHATWG HTML section 9.2.7)."""
    streaming, client = client.outflow.streaming, client._replace(since=context.now)
    if streaming is None or streaming.framing is Framing.COUNTED:
        return client, []  # every byte of it was promised to somebody
    segments = encode_chunk(streaming, COMMENT)
    assert not isinstance(segments, str)
    return emit(client, segments)


def give_up_stream(client: Client, context: Context) -> Outcome:
    """The next piece of a stream is overdue."""
    problem = f"the stream yielded nothing for {context.limits.answer_timeout:g} s"
    return _break_off(client, Ticket(client.conn, client.answered), problem)


def _break_off(client: Client, ticket: Ticket, problem: str) -> Outcome:
    """A body that has begun cannot be ended properly: only a broken connection tells the client so."""
    text = f"{client.owed[0].method} {client.owed[0].target}: {problem}"
    return Gone(client, CloseReason.HANDLER_ERROR), [Note("sigil.error", ERROR, text), Abandon(ticket)]
