"""What happens to a connection that has become a WebSocket (RFC 6455 sections 4 to 7).

Theory: bytes become messages and are handed to the program, which is one step behind: `Deliver` parks the conversation
until `Delivered`.  What the program says meanwhile is queued, and leaves when the turn is flushed.  However the
conversation ends, everything heard before the end is delivered first, and the program is told of the end once.

Rules: pings are answered and close frames returned here; the program does not see them.  After our close frame nothing
is delivered any more.  A peer that breaks the protocol gets a close frame with the code of its flaw, and the end.
Functions take a client that has a `talk`.  They do not know any other client.
"""

from collections.abc import Sequence

from .client import CLEAR, TALKING, Client, Context, Gone, Outcome, Step, Waiting, outbox_len, waiting_for
from .conn import Conn
from .effects import Deliver, Effect, Note, Part, Send, Then, Welcome
from .emit import emit, emit_last
from .events import Delivered, HalfClosed, Lagged, Received, Segment, Subscribe, Whisper
from .frame import Opcode, Terms, encode_close, encode_frame, encode_small, frame_len, is_close_code
from .handshake import check_upgrade, encode_upgrade
from .limits import Limits
from .message import CALM, Close, Item, Ping, take_bytes, take_whole
from .reasons import MEANINGS, CloseReason
from .refusal import Malformed, bad
from .request import Request
from .response import Response, Upgrade
from .ring import Ring, Topics, read
from .stream import Stream, start_of_history, store
from .talk import (
    Closing,
    Follow,
    Taking,
    Talk,
    append_frames,
    enqueue,
    follow,
    make_talk,
    take_queue,
)

INFO = 20
_OPEN, _SAID, _OVER = Closing.OPEN, Closing.SAID, Closing.OVER
_KEEP = Then.KEEP
_new = tuple.__new__

NORMAL = 1000
LOST = bad("the connection ended without a close frame", CloseReason.PEER_RESET)
"""The last word of a peer that did not say one."""


def talk_of(client: Client) -> Talk:
    """The conversation, which must be there."""
    assert client.talk is not None
    return client.talk


# -- the beginning ------------------------------------------------------------------------------------------------

def begin_talk(client: Client, response: Response, context: Context) -> Step | Malformed | str:
    """Upgrade the connection, as the handler said; or why the client is refused, or what is wrong with what it said.

    Bytes behind the request were sent before the client could know that it would be understood: by default they are
    a reason to refuse (RFC 6455 section 4.1 has the client wait).
    """
    assert isinstance(response.body, Upgrade)
    head, limits, intake = client.owed[0], context.limits, client.intake
    offer = check_upgrade(head, limits.origins)
    if isinstance(offer, Malformed):
        return offer
    if context.is_draining or not context.has_talk_room:
        reason = CloseReason.SHUTDOWN if context.is_draining else CloseReason.FULL
        return bad(MEANINGS[reason].sentence, reason)
    if intake.at_end or intake.discarded or (intake.buffer and not limits.ws_early_data):
        return bad("bytes, or the end, came behind an upgrade that was not answered yet", CloseReason.EXPECTED_EOF)
    encoded = encode_upgrade(offer, response.body.subprotocol, None, response.headers, context.date)
    if isinstance(encoded, str):
        return encoded
    terms = Terms(limits.max_ws_recv_frame_len, limits.max_ws_message_len)
    topics = frozenset(response.body.topics)
    cursor = _first_number(context.stream, topics, min(response.body.history, limits.history_messages))
    if cursor is None and client.outflow is not CLEAR:
        cursor = context.stream.next_number  # what was answered before is not taken yet
    talk = make_talk(terms, topics, intake.buffer, cursor)
    client = client._replace(intake=TALKING, owed=(), answered=client.answered + 1, talk=talk)
    client, effects = emit(client, (encoded,))
    return client, [*effects, Welcome(client.conn, Request(*head[:6], b"", client.peer))]


def _first_number(stream: Stream, topics: Topics, history: int) -> int | None:
    """Where a newcomer begins: with what is published from now on, or so many messages before."""
    if history > 0:
        return start_of_history(stream, topics, history)
    return stream.next_number if stream.pending else None


# -- hearing ------------------------------------------------------------------------------------------------------

def hear_simple(client: Client, event: Received, context: Context) -> Step | None:
    """What nearly every read of a conversation at rest is: whole messages and nothing else; None if it is not.

    `hear` would do the same, slower.
    """
    conn, data = event
    talk = client.talk
    if talk is None or talk.is_parked or talk.inbound is not CALM or talk.closing is not _OPEN:
        return None
    messages: list[Item] = []
    if take_whole(data, 0, talk.terms, messages) != len(data):
        return None
    talk = _new(Talk, (True, False, *talk[2:]))
    after: Client = _new(Client, (*client[:5], context.now, client.outflow, client.bytes_in + len(data),
                                  client.bytes_out, talk))
    deliver: Deliver = _new(Deliver, (conn, tuple(messages)))
    return after, [deliver]


def hear(client: Client, event: Received, context: Context) -> Outcome:
    """Bytes came, which is a sign of life whatever they are."""
    talk = talk_of(client)
    is_awaited = waiting_for(client) in (Waiting.TALK, Waiting.PONG)
    client = client._replace(bytes_in=client.bytes_in + len(event.data),
                             since=context.now if is_awaited else client.since)
    if talk.is_parked:
        return _with(client, talk._replace(pending=talk.pending + event.data, is_pinged=False)), []
    return _listen(_with(client, talk._replace(is_pinged=False)), event.data, context)


def _with(client: Client, talk: Talk) -> Client:
    """The client with its conversation moved on."""
    return client._replace(talk=talk)


def _listen(client: Client, data: bytes, context: Context) -> Outcome:
    """Make of these bytes what can be made of them."""
    talk = talk_of(client)
    inbound, items, flaw = take_bytes(talk.inbound, data, talk.terms)
    final = items[-1] if items else None
    last_word = final if isinstance(final, Close) else flaw
    talk = talk._replace(inbound=inbound, last_word=talk.last_word if last_word is None else last_word)
    return _take_items(_with(client, talk), items, context)


def _take_items(client: Client, items: Sequence[Item], context: Context) -> Outcome:
    """Pings up to the first message are answered; the messages up to the next ping are for the program.

    So an answer has the place that what it answers had, however the bytes were cut.
    """
    talk, start = talk_of(client), 0
    if talk.closing is not _OPEN:
        return _conclude(client, context)
    while start < len(items) and not isinstance(items[start], str | bytes):
        item = items[start]
        talk = _answer(talk, item.payload, client.outflow is CLEAR) if isinstance(item, Ping) else talk
        start += 1
    if start == len(items):
        return _conclude(_with(client, talk), context)
    end = next((index for index in range(start, len(items)) if isinstance(items[index], Ping)), len(items))
    messages = tuple([item for item in items[start:end] if isinstance(item, str | bytes)])
    talk = talk._replace(is_parked=True, later=tuple(items[end:]))
    return _with(client, talk), [Deliver(client.conn, messages)]


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
    if talk is None or not talk.is_parked or talk.closing is _OVER:
        return client, []
    if talk.later:
        return _take_items(_with(client, talk._replace(is_parked=False, later=())), talk.later, context)
    data, talk = talk.pending, talk._replace(is_parked=False, pending=b"")
    return _listen(_with(client, talk), data, context) if data else _conclude(_with(client, talk), context)


def delivered_simple(client: Client, event: Delivered, context: Context) -> Step | None:
    """The same for a conversation in which nothing else has come, and nothing else is to be said.

    So what was said need not wait for the end of the turn: an answer leaves at once, and the record is made once.
    """
    conn, said = event
    talk = client.talk
    if (talk is None or talk.is_listed or talk.queue or not talk.is_parked or talk.last_word is not None or talk.pending
            or talk.later or talk.pong is not None or talk.closing is not _OPEN or context.has_pending):
        return None
    after: Client
    if not said:
        after = _new(Client, (*client[:5], context.now, *client[6:9], _new(Talk, (False, *talk[1:]))))
        return after, []
    frames = encode_small(said)
    if not frames or len(frames) > context.limits.max_outbox_len:
        return None
    after = _new(Client, (*client[:5], context.now, *client[6:8], client.bytes_out + len(frames),
                          _new(Talk, (False, *talk[1:]))))
    send: Send = _new(Send, (conn, (frames,), _KEEP))
    return after, [send]


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
    talk = talk._replace(inbound=CALM, pending=b"", later=(), queue=(), queued_len=0, pong=None, cursor=None,
                                    closing=_OVER, reason=reason, code=code)
    client, effects = emit_last(_with(client, talk), last, reason)
    return client, [*effects, Part(client.conn, reason, code)]


def part_of(conn: Conn, talk: Talk | None, reason: CloseReason) -> list[Effect]:
    """What the program is told when a connection ends for this reason, unless it has been told."""
    if talk is None or talk.closing is _OVER:
        return []
    return [Part(conn, *(talk.reason, talk.code) if talk.closing is _SAID else (reason, MEANINGS[reason].code))]


def last_frames(client: Client, reason: CloseReason, context: Context) -> list[Effect]:
    """What was said to a peer that is dropped at once, and a close frame, as far as it takes them."""
    talk, stream = talk_of(client), context.stream
    if talk.closing is not _OPEN or client.outflow.outbox:
        return []
    said = take_queue(follow(talk, stream), store(stream).ring, context.limits.max_outbox_len)
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
    return _with(client, talk._replace(queue=queue, closing=_SAID, reason=reason, code=code)), []


def lose(client: Client, event: HalfClosed, context: Context) -> Outcome:
    """The peer sends no more: what it has said is delivered first."""
    talk = talk_of(client)
    client = client._replace(intake=client.intake._replace(at_end=True))
    client = _with(client, talk._replace(last_word=LOST if talk.last_word is None else talk.last_word))
    return (client, []) if talk.is_parked else _conclude(client, context)


# -- saying -------------------------------------------------------------------------------------------------------

def room_for(client: Client, limits: Limits) -> int:
    """How many bytes may still be said to a client before it is too far behind; not above 0 if it is leaving."""
    talk = client.talk
    return 0 if talk is None or talk.closing is not _OPEN else limits.max_ws_outbox_len - owed_len(client)


def whispered(client: Client, event: Whisper, context: Context) -> Step:
    """The program has said something to this client: as much of it is queued as there is room for, whole messages."""
    room, talk = room_for(client, context.limits), client.talk
    if talk is None or room <= 0:
        return client, []
    talk = follow(talk, context.stream)
    queue, queued_len = talk.queue, talk.queued_len
    for opcode, payload in event.messages:
        if room <= 0:
            break
        queue = enqueue(queue, opcode, payload)
        queued_len += frame_len(len(payload))
        room -= len(payload) + FRAME_HEAD_LEN
    return _with(client, talk._replace(queue=queue, queued_len=queued_len)), []


def whisper_simple(client: Client, event: Whisper, context: Context) -> Step | None:
    """The same for a client that keeps up, if all is small and there is room for all of it; None if not."""
    talk = client.talk
    if talk is None or talk.closing is not _OPEN or talk.cursor is not None or context.has_pending:
        return None
    frames = encode_small(event.messages)
    queue, queued_len = talk.queue, talk.queued_len + len(frames)
    if not frames or queued_len > context.limits.max_ws_outbox_len:
        return None
    queue = append_frames(queue, frames) if queue else (frames,)
    after: Client = _new(Client, (*client[:9], _new(Talk, (*talk[:2], True, queue, queued_len, *talk[5:]))))
    return after, []


FRAME_HEAD_LEN = 4
"""What a frame's head counts for when it is asked whether there is room: near enough, and the same for who asks."""


def owed_len(client: Client) -> int:
    """Bytes that are owed to a client and that the kernel has not taken."""
    queued_len = 0 if client.talk is None else client.talk.queued_len
    return queued_len + outbox_len(client) if client.outflow.outbox else queued_len


def flush_simple(client: Client) -> Step | None:
    """What most flushes are: a queue, and a client that keeps up; None if there is more to it."""
    talk = client.talk
    if (talk is None or client.outflow is not CLEAR or talk.pong is not None or client.intake is not TALKING
            or talk.cursor is not None or len(talk.queue) != 1):
        return None
    (segment,) = talk.queue
    assert not isinstance(segment, Follow)
    talk = _new(Talk, (*talk[:2], False, (), 0, *talk[5:]))
    after: Client = _new(Client, (*client[:8], client.bytes_out + len(segment), talk))
    send: Send = _new(Send, (client.conn, (segment,), _KEEP))
    return after, [send]


def flush(client: Client, ring: Ring, limits: Limits) -> Step:
    """Send what is to be said, as far as there is room; a client that is behind is not sent anything more."""
    talk = talk_of(client)
    if client.outflow.outbox or client.outflow.is_full:
        return _with(client, talk._replace(is_listed=False)), []
    return _send_taken(client, (), take_queue(talk, ring, limits.max_outbox_len))


def go_on(client: Client, context: Context) -> Step:
    """The kernel takes bytes again: what waits, and then what else is to be said."""
    outbox = client.outflow.outbox
    client = client._replace(outflow=client.outflow._replace(outbox=(), is_full=False), since=context.now)
    room = context.limits.max_outbox_len - sum(map(len, outbox))
    return _send_taken(client, outbox, take_queue(talk_of(client), context.stream.ring, room))


def _send_taken(client: Client, outbox: tuple[Segment, ...], taking: Taking) -> Step:
    """Send these; if that is much, wait until it is taken before there is more."""
    client = client._replace(talk=taking.talk, outflow=client.outflow._replace(is_full=taking.is_cut))
    segments = outbox + taking.segments
    return emit(client, segments) if segments else (client, [])


def fall_behind(client: Client, ring: Ring) -> Client:
    """The kernel is full: from here on this client has a cursor of its own."""
    talk = talk_of(client)
    if talk.cursor is not None or talk.closing is not _OPEN:
        return client
    return _with(client, talk._replace(cursor=ring.head_number))


def lagged(client: Client, event: Lagged, context: Context) -> Outcome:
    """The kernel did not take all that was sent to its cohort: a frame in the middle is finished first."""
    talk, ring = talk_of(client), context.stream.ring
    if event.start < ring.tail_number:
        return fall_too_far(client, event.start, context.stream)
    left, cursor, total = event.taken, event.start, 0
    rest: tuple[Segment, ...] = ()
    for number, frame in read(ring, event.start, event.end, event.topics):
        total += len(frame)
        if left:
            rest = (memoryview(frame)[left:],) if left < len(frame) else ()
            left, cursor = max(0, left - len(frame)), number + 1
    outflow = client.outflow._replace(outbox=rest + client.outflow.outbox)
    if talk.closing is _OVER:
        return client._replace(outflow=outflow), []
    cursor = cursor if talk.cursor is None else min(cursor, talk.cursor)
    is_reminded = bool(talk.queue) or talk.topics != event.topics
    queue = (Follow(event.end, event.topics), *talk.queue) if is_reminded else ()
    client = client._replace(bytes_out=client.bytes_out - total + event.taken,
                             talk=talk._replace(cursor=cursor, queue=queue),
                             outflow=outflow._replace(is_full=not outflow.outbox))
    return client, []


def fall_too_far(client: Client, needed: int, stream: Stream) -> Outcome:
    """What a laggard needs is overwritten: it is dropped, and told apart by numbers."""
    ring = stream.ring
    kept_len = ring.head_offset + stream.pending_len - ring.tail_offset
    text = (f"{client.peer} dropped, WS_CLIENT_TOO_SLOW: it needed message {needed}, the oldest kept is "
            f"{ring.tail_number} of {stream.next_number}; {kept_len} bytes are kept, the limit is {ring.size} bytes or "
            f"{ring.most} messages")
    return Gone(client, CloseReason.WS_CLIENT_TOO_SLOW), [Note("sigil.server", INFO, text)]


def subscribed(client: Client, event: Subscribe, context: Context) -> Outcome:
    """The program changes what a client hears; what was published before is still for those who heard it then."""
    talk = client.talk
    if talk is None or talk.closing is not _OPEN or (event.topic in talk.topics) is event.hears:
        return client, []
    topics = talk.topics | {event.topic} if event.hears else talk.topics - {event.topic}
    return _with(client, follow(talk, context.stream)._replace(topics=topics)), []


def ask_for_life(client: Client, context: Context) -> Outcome:
    """Nothing was heard for long: a ping is to be answered in time (section 5.5.2)."""
    talk = talk_of(client)
    return _with(client, talk._replace(queue=enqueue(talk.queue, Opcode.PING, b""), is_pinged=True)), []


def give_up_pong(client: Client, context: Context) -> Outcome:
    """No sign of life came."""
    return fail(client, CloseReason.WS_PONG_TIMEOUT, context)


def give_up_close(client: Client, context: Context) -> Outcome:
    """Our close frame was not answered."""
    return Gone(client, talk_of(client).reason), []
