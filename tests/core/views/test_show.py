"""Pictures: what stands where, and what no picture may do whatever it shows.

Small rings are drawn as literals. For the rest there are laws: a picture is well-formed, nothing
leaves it, no label lies over another or under a line, the boxes fill what lies between tail and
head, and an orange bar is as long as what is owed. The figures that are compared with are those of
`buffered_amount`, and sums of literals.
"""

from itertools import combinations
from typing import NamedTuple
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigil.core.conn import Conn, Peer
from sigil.core.connection.websocket_send import buffered_amount
from sigil.core.events import Publish, Received, Writable
from sigil.core.limits import Limits
from sigil.core.server import make_server
from sigil.core.server.slots import find_client
from sigil.core.server.state import Server
from sigil.core.views.show import (
    CELLS,
    DOTS_MAX,
    LEFT,
    RIGHT,
    WIDTH,
    clients_text,
    record_text,
    ring_svg,
    ring_text,
)
from tests.support.core_broadcasts import (
    ALL_TAKEN,
    SMALL,
    join_websockets,
    publish_lengths,
    with_websockets,
)
from tests.support.core_driver import advance_by, asked, serving


def cells(line: str) -> str:
    """The ring in a line of text."""
    return line[line.index("[") + 1 : line.index("]")]


# -- records ---------------------------------------------------------------------------------------


def test_a_record_is_a_tree_with_a_field_to_a_line() -> None:
    assert record_text(Received(Conn(3, 7), b"hi\n")) == (
        "Received\n    conn: Conn\n        slot: 3\n        generation: 7\n    data: b'hi\\n'"
    )


def test_plain_tuples_in_a_record_stay_in_their_line() -> None:
    assert record_text(Publish(((1, b"a", None),))) == "Publish\n    messages: ((1, b'a', None),)"


# -- one line --------------------------------------------------------------------------------------


def test_a_ring_grows_from_the_right_until_it_is_full_and_then_its_tail_moves() -> None:
    server, _ = with_websockets(2)
    lines = [ring_text(server)]
    for _ in range(7):
        server = publish_lengths(server, 100)
        lines.append(ring_text(server))
    assert lines == [
        "     0 [" + "·" * 60 + "] 0      2 at the head, 0 behind",
        "     0 [" + "·" * 50 + "─" * 10 + "] 1      2 at the head, 0 behind",
        "     0 [" + "·" * 40 + "─" * 20 + "] 2      2 at the head, 0 behind",
        "     0 [" + "·" * 30 + "─" * 30 + "] 3      2 at the head, 0 behind",
        "     0 [" + "·" * 20 + "─" * 40 + "] 4      2 at the head, 0 behind",
        "     0 [" + "·" * 10 + "─" * 50 + "] 5      2 at the head, 0 behind",
        "     0 [" + "─" * 60 + "] 6      2 at the head, 0 behind",
        "     1 [" + "─" * 60 + "] 7      2 at the head, 0 behind",
    ]


def test_a_cursor_moves_left_and_is_gone_with_its_client() -> None:
    server, _ = with_websockets(3)
    server = publish_lengths(server, 100, taken={2: 0})
    found = [cells(ring_text(server)).find("1")]
    for _ in range(6):
        server = publish_lengths(server, 100)
        found.append(cells(ring_text(server)).find("1"))
    assert found == [50, 40, 30, 20, 10, 0, -1]
    assert ring_text(server).endswith("2 at the head, 0 behind")


def test_what_was_published_in_this_turn_is_at_the_very_end() -> None:
    server, _ = with_websockets(1)
    server = publish_lengths(publish_lengths(server, 100), 50, 30, flushes=False)
    assert (
        ring_text(server)
        == "     0 [" + "·" * 42 + "─" * 10 + "+" * 8 + "] 3      1 at the head, 0 behind"
    )


def test_cursors_in_one_place_are_counted_and_more_than_nine_are_many() -> None:
    server, _ = with_websockets(12)
    server = publish_lengths(server, 60, taken=dict.fromkeys(range(9), 0))
    assert cells(ring_text(server))[-6:] == "9─────"
    server = publish_lengths(server, 40, taken={9: 0})
    assert cells(ring_text(server))[-10:] == "9─────1───"
    both = publish_lengths(with_websockets(12)[0], 60, taken=dict.fromkeys(range(12), 0))
    assert cells(ring_text(both))[-6:] == "#─────"
    assert ring_text(both).endswith("0 at the head, 12 behind")


# -- the table -------------------------------------------------------------------------------------


def test_the_table_says_who_is_where_and_is_owed_what() -> None:
    server = serving(SMALL)  # one that is no WebSocket
    server, _ = join_websockets(server, 2)
    server, _ = join_websockets(server, 1, ("weather", "news\x1b[31m"))
    server = publish_lengths(server, 100, taken={2: 30})
    server = publish_lengths(server, 100)
    server = publish_lengths(server, 50, flushes=False)
    assert clients_text(server) == (
        "slot  generation  where    next  behind  outbox  buffered  topics\n"
        "   0           0  http        -       -       0         0\n"
        "   1           1  cohort      2       1       0        50\n"
        "   2           2  laggard     1       2      70       220\n"
        "   3           3  cohort      2       1       0        50  news�[31m, weather"
    )


def test_a_table_of_nobody_is_its_head() -> None:
    assert (
        clients_text(make_server(SMALL, 0.0, 0))
        == "slot  generation  where  next  behind  outbox  buffered  topics"
    )


def test_a_client_that_was_told_to_leave_is_closing() -> None:
    server, (conn,) = with_websockets(1)
    server, _ = advance_by(server, Received(conn, b"\x88\x80abcd"))
    row = "   0           0  closing     -       -       0         0"
    assert clients_text(server).splitlines()[1] == row


# -- the picture -----------------------------------------------------------------------------------

SVG = "{http://www.w3.org/2000/svg}"
CHARACTER_WIDTH, TEXT_HEIGHT = 7.3, 13


class Label(NamedTuple):
    """A text and the room it takes."""

    words: str
    left: float
    right: float
    top: float
    bottom: float


def drawn(server: Server) -> ElementTree.Element:
    """The picture as a tree."""
    return ElementTree.fromstring(ring_svg(server))


def labels(picture: ElementTree.Element) -> list[Label]:
    """All words in a picture, with the room that a character of a font with even widths needs at 12
    px.
    """
    found = []
    for element in picture.iter(f"{SVG}text"):
        words, x, y = element.text or "", float(element.attrib["x"]), float(element.attrib["y"])
        width = len(words) * CHARACTER_WIDTH
        left = x - width if element.attrib["text-anchor"] == "end" else x
        found.append(Label(words, left, left + width, y - 10, y - 10 + TEXT_HEIGHT))
    return found


def boxes(picture: ElementTree.Element, look: str) -> list[tuple[float, float]]:
    """Beginning and end of the boxes of one kind, those of the legend apart."""
    found = [
        (float(box.attrib["x"]), float(box.attrib["width"]))
        for box in picture.iter(f"{SVG}rect")
        if box.attrib["class"] == look
    ]
    return [(x, x + width) for x, width in found][: -1 if look != "free" else None]


def assert_sound(server: Server) -> ElementTree.Element:
    """What holds for every picture."""
    picture = drawn(server)
    height, placed = float(picture.attrib["height"]), labels(picture)
    for label in placed:
        assert label.left >= 4 and label.right <= WIDTH - 4 and label.bottom <= height - 4, label
    for one, other in combinations(placed, 2):
        assert (
            one.right <= other.left
            or other.right <= one.left
            or one.bottom <= other.top
            or other.bottom <= one.top
        ), (one, other)
    for line in picture.iter(f"{SVG}line"):
        x, top, bottom = (float(line.attrib[name]) for name in ("x1", "y1", "y2"))
        for label in placed:
            assert not (
                label.left < x < label.right and top < label.bottom and label.top < bottom
            ), (x, label)
    for look in ("kept", "new", "behind", "outbox"):
        for start, end in boxes(picture, look):
            assert LEFT - 6.1 <= start <= end <= RIGHT + 1.6, (look, start, end)
    return picture


def test_a_picture_says_in_words_what_is_kept() -> None:
    server, _ = with_websockets(2)
    picture = assert_sound(publish_lengths(publish_lengths(server, 100), 100))
    words = {label.words for label in labels(picture)}
    assert {
        "2 of at most 16 messages, 200 of at most 600 bytes",
        "2 messages were published so far",
        "2 clients",
        "sent everything",
        "head: message 2",
        "tail: message 0",
        "dropped because they were too slow: 0",
    } <= words
    assert picture.find(f"{SVG}title") is not None
    assert len(list(picture.iter(f"{SVG}circle"))) == 2


def test_boxes_are_as_long_as_the_bytes_they_stand_for() -> None:
    server, _ = with_websockets(3)
    server = publish_lengths(server, 100, taken={1: 40})
    server = publish_lengths(server, 100, 100)
    server = publish_lengths(server, 60, flushes=False)
    picture = assert_sound(server)
    scale = (RIGHT - LEFT) / 600
    assert boxes(picture, "kept") == [
        (RIGHT - 360 * scale, RIGHT - 260 * scale - 1),
        (RIGHT - 260 * scale, RIGHT - 60 * scale - 1),
    ]
    assert boxes(picture, "new") == [(RIGHT - 60 * scale, RIGHT)]
    assert boxes(picture, "behind") == [(RIGHT - 260 * scale, RIGHT)]
    assert boxes(picture, "outbox") == [(RIGHT - 320 * scale, RIGHT - 260 * scale)]
    words = [label.words for label in labels(picture)]
    assert (
        "slot 1, generation 1" in words
        and "3 behind, 320 bytes" in words
        and "1 to be sent" in words
    )


def test_pages_are_boxes_of_their_own_unless_they_are_too_fine() -> None:
    server, _ = with_websockets(1)
    for _ in range(5):
        server = publish_lengths(server, 20)
    assert len(boxes(assert_sound(server), "kept")) == 5
    server, _ = with_websockets(1, Limits(outgoing_buffer_sz=60_000))
    for _ in range(33):
        server = publish_lengths(
            server, 100
        )  # a page is less than a pixel, and a box is at least three
    assert len(boxes(assert_sound(server), "kept")) == 9


def test_an_outbox_that_goes_further_back_than_the_ring_is_cut_at_its_beginning() -> None:
    server = publish_lengths(with_websockets(1)[0], 120, taken={0: 1})
    for _ in range(5):
        server = publish_lengths(server, 110)
    assert boxes(assert_sound(server), "outbox") == [(LEFT - 6, RIGHT - 550 * (RIGHT - LEFT) / 600)]


def test_the_slowest_comes_first() -> None:
    server, _ = with_websockets(5)
    for slot in (3, 1, 2):
        server = publish_lengths(server, 50, taken={slot: 0})
    names = [
        label.words for label in labels(assert_sound(server)) if label.words.startswith("slot")
    ]
    assert names == ["slot 3, generation 3", "slot 1, generation 1", "slot 2, generation 2"]


def test_who_was_dropped_is_counted_and_not_drawn() -> None:
    server = publish_lengths(with_websockets(2)[0], 100, taken={0: 0})
    for _ in range(6):
        server = publish_lengths(server, 100)
    picture = assert_sound(server)
    assert boxes(picture, "behind") == []
    assert "dropped because they were too slow: 1" in {label.words for label in labels(picture)}


def test_what_comes_from_outside_is_text_and_nothing_else() -> None:
    nasty = "<script>alert('1')</script>&\"]]>\x00\x1b\ud800"
    server, _ = join_websockets(make_server(SMALL, 0.0, 0), 1, (nasty,), Peer("<b>&\x00", 1))
    server = publish_lengths(server, 100, taken={0: 10})
    server, _ = join_websockets(server, 1, (nasty,), Peer("<b>", 1))
    picture = assert_sound(server)
    assert {element.tag.removeprefix(SVG) for element in picture.iter()} <= {
        "svg",
        "style",
        "rect",
        "line",
        "text",
        "title",
        "g",
        "circle",
    }
    ring_svg(server).encode()
    clients_text(server).encode()


def test_a_picture_refers_to_nothing_outside_itself() -> None:
    svg = ring_svg(publish_lengths(with_websockets(3)[0], 100, taken={1: 3}))
    assert svg.count("http") == 1 and "http://www.w3.org/2000/svg" in svg
    assert not any(word in svg for word in ("href", "url(", "@import", "<image", "<script", " on"))


def test_a_picture_of_much_is_no_larger_than_a_bounded_one() -> None:
    limits = Limits(outgoing_buffer_sz=2**20, max_ws_send_frame_cnt=8192)
    server, _ = with_websockets(120, limits)
    for topic in range(12):
        server, _ = join_websockets(server, 1, (f"topic {topic}",))
    for number in range(3000):
        server = publish_lengths(
            server, 20, taken={number // 40: 0} if number % 40 == 0 else ALL_TAKEN
        )
    picture = assert_sound(server)
    assert len(server.broadcast.laggards) == 75
    words = {label.words for label in labels(picture)}
    assert {"and 63 more", "and 7 more"} <= words
    assert sum(element.tag == f"{SVG}circle" for element in picture.iter()) == DOTS_MAX + 5
    assert len(ring_svg(server)) < 40_000
    assert len(boxes(picture, "kept")) <= 181


def test_an_old_value_still_has_its_picture() -> None:
    before, _ = with_websockets(2)
    before = publish_lengths(before, 100, taken={1: 0})
    picture = ring_svg(before)
    after, _ = advance_by(publish_lengths(before, 100), Writable(Conn(1, 1)))
    assert ring_svg(after) != picture
    assert ring_svg(before) == picture


def test_servers_without_any_stream_can_be_drawn() -> None:
    for server in (
        make_server(Limits(), 0.0, 0),
        serving(),
        asked(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ):
        assert_sound(server)
        assert len(cells(ring_text(server))) == CELLS


TURNS = st.lists(
    st.tuples(
        st.lists(st.integers(2, 120), max_size=4),
        st.booleans(),
        st.dictionaries(st.integers(0, 3), st.integers(0, 1)),
        st.sampled_from((None, 0, 1, 2, 3)),
    ),
    max_size=14,
)


@given(TURNS, st.sampled_from((2, 3, 16)))
@settings(max_examples=60, deadline=None)
def test_whatever_happened_can_be_drawn_and_the_figures_agree(
    turns: list[tuple[list[int], bool, dict[int, int], int | None]], most: int
) -> None:
    server, conns = with_websockets(4, SMALL._replace(max_ws_send_frame_cnt=most))
    for lengths, flushes, taken, writable in turns:
        server = publish_lengths(server, *lengths, flushes=flushes, taken=taken)
        if writable is not None:
            server, _ = advance_by(server, Writable(conns[writable]))
        picture = assert_sound(server)
        line = cells(ring_text(server))
        assert len(line) == CELLS
        assert sum(int(char) for char in line if char.isdecimal()) == len(server.broadcast.laggards)
        assert line.lstrip("·").find("·") == -1
        rows = [row.split() for row in clients_text(server).splitlines()[1:]]
        assert [row[2] for row in rows].count("laggard") == len(server.broadcast.laggards)
        for row in rows:
            client = find_client(server.slots, Conn(int(row[0]), int(row[1])))
            assert int(row[6].replace(",", "")) == buffered_amount(client, server.broadcast)
        scale, ring, kept = (RIGHT - LEFT) / 600, server.broadcast.ring, boxes(picture, "kept")
        if ring.tail_number < ring.head_number:
            assert (kept[0][0], kept[-1][1] + 1) == pytest.approx(
                [
                    RIGHT - (server.broadcast.pending_len + ring.head_offset - offset) * scale
                    for offset in (ring.tail_offset, ring.head_offset)
                ],
                abs=1.2,
            )
        else:
            assert kept == []
        behind = [row for row in rows if row[2] == "laggard" and row[4] != "0"]
        owed = sorted(int(row[6]) - int(row[5]) for row in behind)
        assert sorted(end - start for start, end in boxes(picture, "behind")) == pytest.approx(
            [max(1.5, length * scale) for length in owed], abs=0.11
        )
