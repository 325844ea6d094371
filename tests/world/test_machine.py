"""Each world of sigil's own draws what goes wrong on its machine, and lives with it."""

from collections import Counter
from random import Random

from sigil import Limits
from sigil.core.conn import Peer
from sigil.core.events import Accepted, DescriptorsExhausted
from sigil.testing.world import Script, World
from sigil.testing.world.decisions import Decisions
from sigil.testing.world.machine import Machine, draw_machine
from sigil.testing.world.network import Behaviour, UnreliableKernel, UnreliableWire

SEEDS = range(200)


def test_all_combinations_of_faults_are_drawn_and_no_fault_most_often() -> None:
    machines = [draw_machine(Random(seed)) for seed in range(1_000)]
    kinds = Counter(
        (one.descriptors is not None, one.blocking > 0, one.steps > 0) for one in machines
    )
    assert len(kinds) == 8
    assert kinds.most_common(1)[0][0] == (False, False, False)


def test_a_script_that_has_come_to_its_end_has_a_machine_without_faults() -> None:
    decisions = Decisions(7, Script(7, "order", "plain", (), {}))
    machine = draw_machine(decisions.of("machine"))
    assert machine == Machine()
    assert machine.blocked(Random(1)) == machine.step(Random(1)) == 0.0


def test_worlds_run_out_of_descriptors_block_and_have_their_clocks_set() -> None:
    happened: Counter[str] = Counter()
    for seed in SEEDS:
        world = World(seed)
        world.run()
        server = world.server
        happened["exhausted"] += server.network.exhausted_count > 0
        happened["set back"] += server.unix_offset < 0
        happened["set forward"] += server.unix_offset > 0
        happened["blocked"] += world.program.blocked_seconds > 1
    assert min(happened.values()) > 5 and len(happened) == 4, happened


def test_a_kernel_accepts_as_many_as_it_has_descriptors_for_and_says_when_there_is_none() -> None:
    kernel = UnreliableKernel(Random(1))
    kernel.descriptors = 2
    for port in range(3):
        kernel.connect(UnreliableWire(Peer("192.0.2.1", port), Random(1), Behaviour()))
    events = kernel.accept(Limits().max_accepts_per_tick)
    assert [type(event) for event in events] == [Accepted, Accepted, DescriptorsExhausted]
    assert [type(event) for event in kernel.accept(1)] == [DescriptorsExhausted]
    kernel.close()
    assert [type(event) for event in kernel.accept(1)] == [Accepted]
