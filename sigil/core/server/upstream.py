"""A server that publishes what another one does, its upstream, with the positions of that one.

Theory: the messages of an upstream are published as those of the program are; only their positions
are told as the upstream tells them (`numbering`). Where its stream begins, and where it goes on
behind a gap, nothing that is stored here belongs to what follows. So the ring is emptied, and
everybody who is subscribed has fallen off it: they are told the gap, and sent what is retained, as
one that skips is.

Rules: a message that was published before is not published again, whatever is said. One that does
not fit on the ring here is a gap. While a stream is taken over, the program publishes nothing of
its own, since its messages would have positions of the upstream's. This file does not know how the
upstream is followed (`broadcast.upstream`).
"""

from collections.abc import Iterable

from pyrsistent import pmap, pset

from ..broadcast.broadcast import NO_CURSOR
from ..broadcast.entry import Publication, retained_entry
from ..broadcast.laggards import ELSEWHERE
from ..broadcast.numbering import moved_on, own_number, public_number
from ..broadcast.retained import NOTHING_RETAINED, retain
from ..broadcast.ring import ring_restart
from ..broadcast.upstream import RetainedThere, UpstreamJoined, UpstreamPublished
from ..conn import Conn
from ..connection.client import Client, with_subscriber
from ..connection.client_status import is_polling, subscriber_of
from ..connection.context import Parse
from ..connection.retained_reading import skip_to_tail
from ..effects import SERVER_LOG, Effect, Log, LogLevel
from ..events import Publish
from ..websocket.frames import Opcode, encode_frame, frame_len
from .batch import Batch
from .flush import FLUSH_ALL, flush
from .publish import publish_messages
from .retaining import is_too_long_to_retain, retain_published
from .state import Server, with_broadcast


def upstream_joined(
    server: Server, event: UpstreamJoined, parse: Parse
) -> tuple[Server, list[Effect]]:
    """The server when the stream of its upstream begins or goes on behind a gap: everybody who is
    subscribed is told so.
    """
    retained = event.retained
    if retained is None:
        retained = _retained_here(server) if _follows(server, event.epoch) else ()
    return _take_over(server, event.epoch, event.number, retained, parse)


def upstream_published(
    server: Server, event: UpstreamPublished, parse: Parse
) -> tuple[Server, list[Effect]]:
    """The server with these messages of its upstream published, and its position moved on."""
    effects: list[Effect] = []
    group: list[Publication] = []
    if not _follows(server, event.epoch):
        return server, []
    for number, message in event.messages:
        if number < _position(server) + len(group):
            continue
        is_apart = number > _position(server) + len(group) or _is_unretainable(server, message)
        if group and is_apart:
            server, more = publish_messages(server, Publish(tuple(group)), parse)
            effects += more
            group = []
        if frame_len(len(message[1])) > server.broadcast.ring.max_bytes:
            server, more = _publish_gap(server, group, number, parse)
            effects += more
            group = []
            continue
        if not group:
            server = _moved_on(server, number)
        server, message, more = _within_limits(server, message)
        effects += more
        group.append(message)
    if group:
        server, more = publish_messages(server, Publish(tuple(group)), parse)
        effects += more
    return _moved_on(server, event.end), effects


def _follows(server: Server, epoch: int) -> bool:
    """True if what is published here was taken over from a stream with this epoch."""
    ring = server.broadcast.ring
    return ring.epoch == epoch and not ring.numbering.is_own


def _position(server: Server) -> int:
    """The number in the position behind all that was published."""
    broadcast = server.broadcast
    return public_number(broadcast.ring.numbering, broadcast.next_number)


def _moved_on(server: Server, number: int) -> Server:
    """The server at this position, if it is not behind it already."""
    broadcast = server.broadcast
    ring = broadcast.ring
    numbering = moved_on(ring.numbering, broadcast.next_number, number, ring.tail_number)
    if numbering is ring.numbering:
        return server
    return with_broadcast(
        server, broadcast.replace(ring=ring.replace(numbering=numbering)), server.totals
    )


def _is_unretainable(server: Server, message: Publication) -> bool:
    """True for a message that the upstream retains, and that is too long for this server to."""
    _, payload, topic, options = message
    return options.retain and is_too_long_to_retain(len(payload), topic, server.limits)


def _within_limits(
    server: Server, message: Publication
) -> tuple[Server, Publication, list[Effect]]:
    """A message as it is published: one that is too long to be retained here is not, and what was
    retained on its topic is not any more.
    """
    opcode, payload, topic, options = message
    if not _is_unretainable(server, message):
        return server, message, []
    broadcast = server.broadcast
    cleared = encode_frame(Opcode.TEXT, b"")
    number = broadcast.next_number
    retained = retain(broadcast.retained, number, topic, cleared, server.limits)
    server = with_broadcast(server, broadcast.replace(retained=retained), server.totals)
    text = f"a message of {len(payload)} bytes of the upstream is not retained"
    line = Log(SERVER_LOG, LogLevel.WARNING, f"{text}: Limits.max_retained_len is less")
    return server, (opcode, payload, topic, options.replace(retain=False)), [line]


# -- gaps ------------------------------------------------------------------------------------------


def _publish_gap(
    server: Server, group: list[Publication], number: int, parse: Parse
) -> tuple[Server, list[Effect]]:
    """The server with these messages published, and a gap in the place of the message with this
    number, which is longer than the ring.
    """
    server, effects = publish_messages(server, Publish(tuple(group)), parse)
    kept = _retained_here(server)
    text = f"message {number} of the upstream was not broadcast"
    line = Log(SERVER_LOG, LogLevel.WARNING, f"{text}: Limits.outgoing_buffer_sz is less")
    server, more = _take_over(server, server.broadcast.ring.epoch, number + 1, kept, parse)
    return server, [*effects, line, *more]


def _retained_here(server: Server) -> tuple[RetainedThere, ...]:
    """What is retained, as the upstream would tell it."""
    ring, retained = server.broadcast.ring, server.broadcast.retained
    return tuple(
        (max(0, public_number(ring.numbering, message.number)), topic, message.frame)
        for topic, message in retained.messages.items()
    )


def _take_over(
    server: Server, epoch: int, number: int, retained: Iterable[RetainedThere], parse: Parse
) -> tuple[Server, list[Effect]]:
    """The server at this position of a stream, with nothing behind it but what is retained."""
    server, effects = flush(server, FLUSH_ALL, parse)
    server, more = _all_behind(server, parse)
    broadcast = server.broadcast
    ring = ring_restart(broadcast.ring, epoch, number)
    laggards = broadcast.laggards.keys()
    broadcast = broadcast.replace(
        ring=ring,
        laggards=pmap(dict.fromkeys(laggards, ELSEWHERE)),
        laggards_at=pmap({ELSEWHERE: pset(laggards)} if laggards else {}),
        lowest_cursor=NO_CURSOR,
        may_be_resumed=True,
        retained=NOTHING_RETAINED.replace(logged_at=broadcast.retained.logged_at),
    )
    server = with_broadcast(server, broadcast, server.totals)
    stored = [
        (own_number(ring.numbering, at), retained_entry(frame, topic))
        for at, topic, frame in sorted(retained, key=_number_of)
        if at < number and not is_too_long_to_retain(len(frame), topic, server.limits)
    ]
    server, lines = retain_published(server, stored)
    server, answers = _answer_polls(server, sorted(laggards), parse)
    return server, [*effects, *more, *lines, *answers]


def _number_of(stored: RetainedThere) -> int:
    """What is retained is sorted by its number."""
    return stored[0]


def _all_behind(server: Server, parse: Parse) -> tuple[Server, list[Effect]]:
    """The server with all members of cohorts laggards, which have been sent all up to the head and
    are looked at by the next flush.
    """
    batch, head_number = Batch(server, parse), server.broadcast.ring.head_number
    members = [conn for cohort in server.broadcast.cohorts.values() for conn in cohort]
    for conn in sorted(members):
        client = batch.draft.find_client(conn)
        if client is not None and client.subscriber is not None:
            behind = client.subscriber.replace(cursor=head_number)
            batch.commit(client, (with_subscriber(client, behind), []))
    return batch.finish()


def _answer_polls(
    server: Server, conns: Iterable[Conn], parse: Parse
) -> tuple[Server, list[Effect]]:
    """The server with those of these that are long-polls answered by the next flush, with the gap
    in the place of their first line.
    """
    batch = Batch(server, parse)
    for conn in conns:
        client = batch.draft.find_client(conn)
        if client is not None and is_polling(client):
            batch.commit(client, (_with_gap(client, server), []))
    return batch.finish()


def _with_gap(client: Client, server: Server) -> Client:
    """A long-poll whose answer is due, and begins with the gap."""
    subscriber, broadcast = subscriber_of(client), server.broadcast
    polling, cursor = subscriber.polling, subscriber.cursor
    assert polling is not None
    if cursor is None or cursor >= broadcast.ring.tail_number:
        return client
    gap, queue = skip_to_tail(subscriber, broadcast, cursor)
    _, _, others = polling.opening.partition(b"\n")
    answer = polling.replace(opening=gap + others, is_due=True)
    cursor = broadcast.ring.tail_number
    return with_subscriber(client, subscriber.replace(cursor=cursor, queue=queue, polling=answer))
