"""What happens to a connection that has become a WebSocket (RFC 6455 sections 4 to 7).

Theory: bytes become messages and are handed to the program, which is one step behind: `Deliver` parks the conversation
until `Delivered`.  What the program says meanwhile is queued, and leaves when the turn is flushed.  However the
conversation ends, everything heard before the end is delivered first, and the program is told of the end once.

Rules: pings are answered and close frames returned here; the program does not see them.  After our close frame nothing
is delivered any more.  A peer that breaks the protocol gets a close frame with the code of its flaw, and the end.
Functions take a client that has a `talk`.  They do not know any other client.
"""


from ..broadcast.broadcast import Stream, store
from ..broadcast.encoding import Encoding
from ..close_reasons import MEANINGS, CloseReason
from ..conn import Conn
from ..effects import Deliver, Effect, Note, Part, Send, Then, Unpack
from ..events import Delivered, HalfClosed, Received, Whisper
from ..parse_result import bad
from ..websocket.frames import Opcode, encode_close, encode_frame, frame_len, is_close_code
from ..websocket.messages import CALM, OVER, Close, Ping, Squeezed, take_bytes
from .client import (
    CLEAR,
    Client,
    Context,
    Gone,
    Outcome,
    Phase,
    Step,
    talk_of,
    with_talk,
)
from .deadlines import Waiting, waiting_for
from .output import emit_last
from .send_queue import enqueue, follow, take_queue
from .session import NOTHING, Closing, Later, Talk, items_len
from .websocket_send import whispered

INFO = 20
_OPEN, _SAID, _OVER = Closing.OPEN, Closing.SAID, Closing.OVER
_KEEP = Then.KEEP
_PLAIN = Encoding.PLAIN

NORMAL = 1000
LOST = bad("the connection ended without a close frame", CloseReason.PEER_RESET)
"""The last word of a peer that did not say one."""


# -- the beginning ------------------------------------------------------------------------------------------------


# -- hearing ------------------------------------------------------------------------------------------------------


def hear(client: Client, event: Received, context: Context) -> Outcome:
    """Bytes came, which is a sign of life whatever they are."""
    talk = talk_of(client)
    is_awaited = waiting_for(client) in (Waiting.TALK, Waiting.PONG)
    client = client._replace(bytes_in=client.bytes_in + len(event.data),
                             since=context.now if is_awaited else client.since)
    if client.intake.phase is Phase.PARKED:
        return with_talk(client, talk._replace(pending=talk.pending + event.data, is_pinged=False)), []
    return _listen(with_talk(client, talk._replace(is_pinged=False)), event.data, context)


def _parked(client: Client, is_parked: bool) -> Client:
    """The client with its conversation parked, or not any more."""
    return client._replace(intake=client.intake._replace(phase=Phase.PARKED if is_parked else Phase.TALK))


def _listen(client: Client, data: bytes, context: Context) -> Outcome:
    """Make of these bytes what can be made of them."""
    talk = talk_of(client)
    inbound, items, flaw = take_bytes(talk.inbound, data, talk.terms)
    final = items[-1] if items else None
    last_word = final if isinstance(final, Close) else flaw
    talk = talk._replace(inbound=inbound, last_word=talk.last_word if last_word is None else last_word)
    return _take_items(with_talk(client, talk), Later(items, 0, items_len(items)), context)


def _take_items(client: Client, later: Later, context: Context) -> Outcome:
    """Pings up to the first message are answered; the messages up to the next ping are for the program.

    So an answer has the place that what it answers had, however the bytes were cut.
    """
    talk, items, start = talk_of(client), later.items, later.start
    if talk.closing is not _OPEN:
        return _conclude(client, context)
    while start < len(items) and not isinstance(items[start], str | bytes | Squeezed):
        item = items[start]
        talk = _answer(talk, item.payload, client.outflow is CLEAR) if isinstance(item, Ping) else talk
        start += 1
    if start == len(items):
        return _conclude(with_talk(client, talk), context)
    end = next((index for index in range(start, len(items)) if isinstance(items[index], Ping)), len(items))
    given = tuple([item for item in items[start:end] if isinstance(item, str | bytes | Squeezed)])
    plain = tuple([item for item in given if not isinstance(item, Squeezed)])
    later = Later(items, end, later.length - items_len(given)) if end < len(items) else NOTHING
    client = with_talk(client, talk._replace(later=later))
    order = Deliver(client.conn, plain) if len(plain) == len(given) else Unpack(client.conn, given)
    return _parked(client, True), [order]


def _answer(talk: Talk, payload: bytes, keeps_up: bool) -> Talk:
    """A pong that is due; if the client is behind, only the latest ping is answered (section 5.5.3)."""
    if not keeps_up:
        return talk._replace(pong=payload)
    return talk._replace(queue=enqueue(talk.queue, Opcode.PONG, payload),
                         queued_len=talk.queued_len + frame_len(len(payload)))


def delivered(client: Client, event: Delivered, context: Context) -> Outcome:
    """The program has looked at what it was given: what came behind that counts now."""
    if event.said:
        client, _ = whispered(client, Whisper(event.conn, event.said), context)
    talk = client.talk
    if talk is None or client.intake.phase is not Phase.PARKED:
        return client, []
    client = _parked(client, False)
    if event.flaw is not None:
        talk = talk._replace(inbound=OVER, last_word=event.flaw, pending=b"", later=NOTHING)
    if talk.later is not NOTHING:
        return _take_items(with_talk(client, talk._replace(later=NOTHING)), talk.later, context)
    data, talk = talk.pending, talk._replace(pending=b"")
    return _listen(with_talk(client, talk), data, context) if data else _conclude(with_talk(client, talk), context)


# -- the end ------------------------------------------------------------------------------------------------------

def _conclude(client: Client, context: Context) -> Outcome:
    """Nothing stands before the last word any more, if there is one."""
    word = talk_of(client).last_word
    if word is None:
        return client, []
    if isinstance(word, Close):
        return _return_close(client, word, context)
    return fail(client, word.reason, context, word.message)


def _return_close(client: Client, word: Close, context: Context) -> Step:
    """The peer has said its close: ours is the answer to it, or it is the answer to ours (section 5.5.1)."""
    talk = talk_of(client)
    if talk.closing is _SAID:
        return _end(client, b"", talk.reason, talk.code, context)
    frame = encode_frame(Opcode.CLOSE, encode_close(word.code))
    return _end(client, frame, CloseReason.WS_PEER_CLOSED, word.code, context)


def fail(client: Client, reason: CloseReason, context: Context, message: str = "") -> Outcome:
    """The connection cannot go on: the peer is told why, if it can still be told (section 7.1.7)."""
    talk, meaning = talk_of(client), MEANINGS[reason]
    if talk.closing is _SAID:
        reason, code, frame = talk.reason, talk.code, b""
    elif not is_close_code(meaning.code):
        if not talk.queue and not client.outflow.outbox and not context.has_pending:
            return Gone(client, reason), []
        code, frame = meaning.code, b""
    else:
        code = meaning.code
        frame = encode_frame(Opcode.CLOSE, encode_close(code, message or meaning.sentence))
    client, effects = _end(client, frame, reason, code, context)
    text = f"{client.peer} closed with {code}, {reason.name}: {message or meaning.sentence}"
    return client, [Note("sigil.server", INFO, text), *effects]


def _end(client: Client, frame: bytes, reason: CloseReason, code: int, context: Context) -> Step:
    """Say what is left to say, as far as there is room, then the close frame; shut our side, and tell the program."""
    stream, talk = context.stream, talk_of(client)._replace(pong=None)
    if talk.closing is _OPEN:
        talk = follow(talk, stream)
    said = take_queue(talk, store(stream).ring, context.limits.max_outbox_len)
    last = (*said.segments, frame) if frame else said.segments
    talk = talk._replace(inbound=CALM, pending=b"", later=NOTHING, queue=(), queued_len=0, pong=None, cursor=None,
                                    closing=_OVER, reason=reason, code=code)
    client, effects = emit_last(with_talk(client, talk), last, reason)
    return client, [*effects, Part(client.conn, reason, code)]


def part_of(conn: Conn, talk: Talk | None, reason: CloseReason) -> list[Effect]:
    """What the program is told when a connection ends for this reason, unless it has been told."""
    if talk is None or talk.closing is _OVER or talk.hearing.encoding is Encoding.SSE:
        return []
    return [Part(conn, *(talk.reason, talk.code) if talk.closing is _SAID else (reason, MEANINGS[reason].code))]


def last_frames(client: Client, reason: CloseReason, context: Context) -> list[Effect]:
    """What was said to a peer that is dropped at once, and a close frame, as far as it takes them."""
    talk, stream = talk_of(client), context.stream
    if talk.closing is not _OPEN or client.outflow.outbox:
        return []
    said = take_queue(follow(talk, stream), store(stream).ring, context.limits.max_outbox_len)
    if talk.hearing.encoding is Encoding.SSE:
        return [Send(client.conn, said.segments, Then.DROP)] if said.segments else []
    close = encode_frame(Opcode.CLOSE, encode_close(MEANINGS[reason].code, MEANINGS[reason].sentence))
    return [Send(client.conn, (*said.segments, close), Then.DROP)]


def say_last(client: Client, reason: CloseReason, code: int, text: str, stream: Stream) -> Step:
    """The program, or the server, wants the end: our close frame goes behind what is queued; theirs is waited for."""
    talk = talk_of(client)
    if talk.closing is not _OPEN:
        return client, []
    code = next(filter(is_close_code, (code, MEANINGS[reason].code, NORMAL)))
    talk = follow(talk, stream)
    queue = enqueue(talk.queue, Opcode.CLOSE, encode_close(code, text))
    return with_talk(client, talk._replace(queue=queue, closing=_SAID, reason=reason, code=code)), []


def lose(client: Client, event: HalfClosed, context: Context) -> Outcome:
    """The peer sends no more: what it has said is delivered first."""
    talk = talk_of(client)
    client = client._replace(intake=client.intake._replace(at_end=True))
    client = with_talk(client, talk._replace(last_word=LOST if talk.last_word is None else talk.last_word))
    return (client, []) if client.intake.phase is Phase.PARKED else _conclude(client, context)


def ask_for_life(client: Client, context: Context) -> Outcome:
    """Nothing was heard for long: a ping is to be answered in time (section 5.5.2)."""
    talk = talk_of(client)
    return with_talk(client, talk._replace(queue=enqueue(talk.queue, Opcode.PING, b""), is_pinged=True)), []


def give_up_pong(client: Client, context: Context) -> Outcome:
    """No sign of life came."""
    return fail(client, CloseReason.WS_PONG_TIMEOUT, context)


def give_up_close(client: Client, context: Context) -> Outcome:
    """Our close frame was not answered."""
    return Gone(client, talk_of(client).reason), []
