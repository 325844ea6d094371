"""Bugs in `sigil.core.server`: slots, sums, timers, time, admission, flushes, the end."""

from tests.mutants.mutant import Law, Mutant, Worlds

PEERS = "core/test_laws_for_peers.py"
LAWS = "core/test_laws.py"

SERVERS: tuple[Mutant, ...] = (
    Mutant(
        "slot leaked",
        "core/server/slots.py",
        "the slot of a client that has gone is not on the free list",
        "        self._free = client.conn.slot\n",
        "",
        Worlds(),
    ),
    Mutant(
        "free slot used twice",
        "core/server/slots.py",
        "the free list still begins with the slot that was just given away",
        "            assert isinstance(following, int)\n            self._free = following\n",
        "            self._free = slot if following == NO_SLOT else int(str(following))\n",
        Worlds(),
    ),
    Mutant(
        "generation reused",
        "core/server/batch.py",
        "the next connection gets the number of the last one",
        "generation = server.next_generation + count\n",
        "generation = server.next_generation + max(0, count - 1)\n",
        Worlds(),
    ),
    Mutant(
        "sum not subtracted",
        "core/server/batch.py",
        "what a client held still counts when it has gone",
        "        if not holds_nothing(before):\n            self.update_load(before, None)\n",
        "",
        Worlds(),
    ),
    Mutant(
        "evicted at the limit",
        "core/server/budgets.py",
        "a limit is compared with >= where it may be reached",
        "load.websockets > limits.max_ws_connection_cnt",
        "load.websockets >= limits.max_ws_connection_cnt",
        Law(f"{PEERS}::test_nobody_gives_way_while_there_is_room"),
        "to be evicted is an orderly end in worlds, whenever it comes",
    ),
    Mutant(
        "budget of the other direction",
        "core/server/budgets.py",
        "what comes in is measured by the budget of what goes out",
        "    if load.inbound > limits.max_inbound_len:\n",
        "    if load.inbound > limits.max_outbound_len:\n",
        Law(f"{PEERS}::test_what_is_incomplete_is_within_its_budget_after_every_read"),
        "clients of worlds never hold as much as the budget",
    ),
    Mutant(
        "timer not filed again",
        "core/server/clock.py",
        "who was looked at and is not overdue is never looked at again",
        "                wheel = schedule(wheel, conn, at, deadline)\n",
        "                pass\n",
        Worlds(),
    ),
    Mutant(
        "timer of a new connection at the wrong time",
        "core/server/timer_wheel.py",
        "a deadline that is further than a period is put behind that period",
        "index = ceil(min(deadline, now + wheel.period) / wheel.granularity)",
        "index = ceil(deadline / wheel.granularity)",
        Law(f"{LAWS}::test_a_connection_is_always_watched_and_looked_at_in_time"),
        "timeouts of a world are all of one length, so no deadline comes nearer",
    ),
    Mutant(
        "deadline from the wrong clock",
        "core/server/clock.py",
        "a tick starts by the clock of the world, and not by the time that counts",
        "    started_at = now - held_up.seconds\n",
        "    started_at = now\n",
        Worlds(450, True),
    ),
    Mutant(
        "unread judged",
        "core/server/clock.py",
        "deadlines apply to those whose input was not read in this tick",
        "        is_judged = client is not None and conn not in unread\n",
        "        is_judged = client is not None\n",
        Worlds(116, True),
    ),
    Mutant(
        "date not refreshed",
        "core/server/clock.py",
        "the Date field is that of the second in which the server was made",
        "return end_of_head(unix_time, server.limits.date_header)",
        "return server.date or end_of_head(unix_time, server.limits.date_header)",
        Worlds(),
    ),
    Mutant(
        "queue emptied before what was published",
        "core/server/flush.py",
        "a queue is emptied before what was published in the middle of it is on the ring",
        "    if cursor is not None and cursor > first_published:\n"
        "        return True\n    return any(",
        "    return False and any(",
        Law(
            f"{LAWS}::test_a_websocket_to_which_something_is_to_be_said_is_on_the_list_"
            "and_a_flush_empties_it"
        ),
        "what is late by a flush is not missing in the end",
    ),
    Mutant(
        "shut lost in a join",
        "core/server/fold.py",
        "two sends that are made one go on as the first of them does",
        "last = Send(last.conn, last.segments + effect.segments, effect.then)",
        "last = Send(last.conn, last.segments + effect.segments, last.then)",
        Law(f"{PEERS}::test_sends_that_are_joined_are_the_same_bytes_and_the_same_ends"),
        "clients of worlds never ask for the end of their connection",
    ),
    Mutant(
        "nobody freed for a descriptor",
        "core/server/admission.py",
        "who is at rest is spared, and not who has just come",
        "return client.waiting_since >= server.tick_started_at",
        "return client.waiting_since <= server.tick_started_at",
        Law(
            f"{PEERS}::"
            "test_somebody_at_rest_gives_way_for_a_descriptor_and_nobody_who_has_just_asked"
        ),
        "descriptors of worlds do not run out",
    ),
    Mutant(
        "late connection forgotten",
        "core/server/admission.py",
        "a connection that comes when the server has stopped is not even rejected",
        "        _reject(batch, event, CloseReason.SHUTDOWN)\n        return\n",
        "        return\n",
        Law(f"{PEERS}::test_who_is_accepted_is_taken_or_told_why_not"),
        "nobody connects to a world that has stopped",
    ),
    Mutant(
        "newest gives way",
        "core/server/batch.py",
        "a subscriber is evicted for itself, if it was accepted first",
        "            conn, oldest = take_oldest(oldest, self._is_subscriber)\n"
        "            oldest = add(oldest, newest)\n",
        "            oldest = add(oldest, newest)\n",
        Law(f"{PEERS}::test_who_has_just_subscribed_is_not_who_gives_way"),
        "to be evicted is an orderly end in worlds, for anybody",
    ),
    Mutant(
        "backlog forgotten",
        "core/server/lifecycle.py",
        "a server that stops closes new connections that nobody has read",
        "        if client is None or conn in unread or waiting_for(client) is not Waiting.IDLE:\n",
        "        if client is None or waiting_for(client) is not Waiting.IDLE:\n",
        Law(f"{PEERS}::test_nobody_is_judged_who_was_not_read"),
        "who is closed by a server that stops may have sent something, for all that worlds know",
    ),
    Mutant(
        "laggard moved without a drop",
        "core/server/publish.py",
        "a laggard that needs what is overwritten is moved on, as one that skips",
        "            if cursor < tail_number and not client.subscriber.skips:\n",
        "            if cursor < tail_number - 1 and not client.subscriber.skips:\n",
        Worlds(),
    ),
)
