"""Bugs in `sigil.shell.loop`: the order in which events, effects and sends are done."""

from tests.mutants.mutant import Law, Mutant, Worlds

LOOPS: tuple[Mutant, ...] = (
    Mutant(
        "overtaken by a broadcast",
        "shell/loop/send_buffer.py",
        "what was sent to one client is not brought to the core before what is broadcast",
        "        self._close()\n        if self._events or self.unconfirmed:\n",
        "        if self._events or self.unconfirmed:\n",
        Worlds(),
    ),
    Mutant(
        "window without end",
        "shell/loop/send_buffer.py",
        "what was promised for one message is promised for all of that length",
        "        window.room -= len(message[1]) + NOMINAL_FRAME_HEADER_LEN\n",
        "",
        Law("shell/test_messaging.py::test_what_is_promised_to_one_client_is_within_its_bound"),
        "messages of worlds are few and short",
    ),
    Mutant(
        "count of a window not lowered",
        "shell/loop/send_buffer.py",
        "more messages are promised than the ring has places for",
        "        window.count -= 1\n",
        "",
        Worlds(26, True),
    ),
    Mutant(
        "later effects first",
        "shell/loop/engine.py",
        "a flush in between sends what is new before what waits",
        "        waiting = [*self._take_effects(), *effects]\n",
        "        waiting = [*effects, *self._take_effects()]\n",
        Worlds(35, True),
    ),
    Mutant(
        "stalls in the wrong order",
        "shell/loop/engine.py",
        "of what the kernel did not take, the last is reported first",
        "        events.insert(index, event)\n",
        "        events.insert(0, event)\n",
        Worlds(38),
    ),
    Mutant(
        "stalls forgotten between ticks",
        "shell/loop/engine.py",
        "what was not taken in the last round is not known before the next tick",
        "        if self.events:\n            self._sync_until_quiet()\n",
        "",
        Law(
            "shell/loop/test_engine_stalls.py::"
            "test_what_the_kernel_did_not_take_is_known_after_the_tick_and_leaves_later"
        ),
        "a stall is seldom the last thing of a tick that leaves nothing to flush",
    ),
    Mutant(
        "broken connection not writable",
        "shell/loop/poller.py",
        "who waits to write is not told that the connection broke",
        "    writable = 2 if mask & ~READABLE else 0\n",
        "    writable = 2 if mask & WRITABLE else 0\n",
        Law("shell/loop/test_poller.py::test_who_broke_can_be_read_and_written"),
        "worlds have a kernel of their own",
    ),
    Mutant(
        "mailbox never woken again",
        "shell/loop/mailbox.py",
        "that it was woken is remembered for ever",
        "            self._is_woken = False  # behind the byte: what was posted before is taken",
        "            pass  # behind the byte: what was posted before is taken",
        Law("shell/loop/test_mailbox.py::test_whoever_waits_is_awake_while_something_waits"),
        "worlds have one thread",
    ),
)
