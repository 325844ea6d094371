"""A world that breaks a rule is made shorter, and its script says how."""

from pathlib import Path

import pytest

from sigil.core.broadcast import broadcast
from sigil.core.broadcast.entry import Published
from sigil.core.events import InputRead
from sigil.testing.world import Script, Simulation, World, read_script
from sigil.testing.world.decisions import NOTHING, Decisions
from sigil.testing.world.shrink import broken_rule_of, shrink
from tests.world import __main__ as command
from tests.world.__main__ import shortest, world_of

pytestmark = pytest.mark.filterwarnings(
    "ignore:coroutine .* was never awaited:RuntimeWarning"
)  # a world may break off

SCRIPT = Script(7, "order", "plain", (0, 3), {(0, "world"): (1, 0.25), (3, "client-0"): (2,)})


def test_a_script_is_a_text() -> None:
    text = "world plain 7\nrule order\nticks 0 3\n0 world: 1 0.25\n3 client-0: 2\n"
    assert str(SCRIPT) == text
    assert read_script(f"# seen on a Monday\n{text}# and so on\n") == SCRIPT


@pytest.mark.parametrize("text", ["", "world plain 7\nticks 0\n", f"{SCRIPT}and so on\n"])
def test_what_is_no_script_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"script|decisions"):
        read_script(text)


def test_each_has_a_stream_of_decisions_and_then_decides_what_is_simplest() -> None:
    script = SCRIPT._replace(made={(0, "a"): (2, 0.5), (1, "b"): (1,)})
    decisions = Decisions(7, script)
    one, other = decisions.of("a"), decisions.of("b")
    assert (one.choice("xyz"), one.random(), one.random()) == ("z", 0.5, NOTHING)
    assert (one.choice("xyz"), other.randint(5, 9)) == ("x", 5)
    decisions.tick = 1
    items = [1, 2, 3]
    one.shuffle(items)
    assert (other.randint(5, 9), other.randint(5, 9), items) == (6, 5, [1, 2, 3])


def test_a_world_by_the_decisions_that_it_made_is_the_same_world() -> None:
    worlds = [World(seed, is_held_up=seed % 2 == 1) for seed in range(20)]
    for world in worlds:
        digest = world.run().digest
        script = read_script(str(world.script("none")))
        assert world_of(script).run().digest == digest


def fewer(entries: tuple[Published, ...]) -> tuple[Published, ...]:
    """The entries without the last of several."""
    return entries[:-1] if len(entries) > 1 else entries


def test_a_planted_bug_is_shown_by_a_few_events(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = broadcast.pending_bytes_for
    with monkeypatch.context() as patch:
        patch.setattr(
            "sigil.core.server.flush.pending_bytes_for",
            lambda one, hearing, index, conn=None: whole(
                one.replace(pending=fewer(one.pending)), hearing, None, conn
            ),
        )
        worlds = map(World, range(60))
        world = next(world for world in worlds if broken_rule_of(world) is not None)
        assert world.violation is not None
        script = shrink(world, 600)
        shorter = [world.again(script) for _ in range(2)]
        assert [broken_rule_of(one) for one in shorter] != [None, None]
        text = shortest(world, 20)
    assert {one.violation and one.violation.check for one in shorter} == {world.violation.check}
    assert len({one.trace.digest() for one in shorter}) == 1
    assert count_events(shorter[0]) < min(60, count_events(world))
    assert text.startswith(f"# {world.violation.check}: ") and read_script(text)
    assert broken_rule_of(world_of(script)) is None  # without the bug


def test_a_run_that_keeps_what_it_finds_keeps_the_shortest_world_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    monkeypatch.setattr(command, "SEEDS", tmp_path / "seeds.txt")
    options = ["--first", "92", "--seeds", "1", "--held-up", "--keep"]
    with monkeypatch.context() as patch:
        patch.setattr("sigil.testing.server.InputRead", lambda unread: InputRead())
        assert command.run_many(command.make_parser().parse_args(options), frozenset()) == 1
        assert command.kept_seeds() == [(92, True)]
        (path,) = command.kept_scripts()
        assert path.name == "92-held-up-served.txt"
        violation = command.replay(path)
        assert violation is not None and violation.check == "served"
    assert command.replay(path) is None  # without the bug


def test_only_what_is_broken_is_made_shorter() -> None:
    world = World(0)
    world.run()
    with pytest.raises(ValueError, match="broken a rule"):
        shrink(world)


def count_events(world: Simulation) -> int:
    """How many events the core was given."""
    return sum(len(events) for events, _ in world.server.turns or ())
