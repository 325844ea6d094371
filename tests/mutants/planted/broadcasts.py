"""Bugs in `sigil.core.broadcast`: the ring, its tail, cohorts, laggards, history, positions."""

from tests.mutants.mutant import Law, Mutant, Worlds

BROADCASTS: tuple[Mutant, ...] = (
    Mutant(
        "tail too far",
        "core/broadcast/ring.py",
        "one frame more than must be is overwritten",
        "(offset < min_offset or number < min_number)",
        "(offset < min_offset or number <= min_number)",
        Law("core/broadcast/test_broadcast_model.py::TestStreaming::runTest"),
        "worlds know what is sent, and not what could be kept",
    ),
    Mutant(
        "tail not far enough",
        "core/broadcast/ring.py",
        "one frame too many is kept",
        "    min_number = ring.head_number + count - ring.max_frames\n",
        "    min_number = ring.head_number + count - ring.max_frames - 1\n",
        Worlds(),
    ),
    Mutant(
        "cohort left with nobody",
        "core/broadcast/broadcast.py",
        "the cohort stays when its last member has left",
        "    if cohort:\n        cohorts = broadcast.cohorts.set(subscription, cohort)\n",
        "    if cohort is not None:\n"
        "        cohorts = broadcast.cohorts.set(subscription, cohort)\n",
        Worlds(),
    ),
    Mutant(
        "exclude forgotten for members",
        "core/broadcast/broadcast.py",
        "a member of a cohort is sent what excludes it",
        "    if conn is not None:\n"
        "        places = [place for place in places if not is_excluded(pending[place], conn)]\n",
        "",
        Worlds(),
    ),
    Mutant(
        "exclude forgotten for laggards",
        "core/broadcast/reading.py",
        "who is behind is sent what excludes it",
        "                is_excluded(entry, conn) or is_superseded(",
        "                is_superseded(",
        Worlds(57),
    ),
    Mutant(
        "retained not replaced",
        "core/broadcast/retained.py",
        "the first message on a topic stays, and not the last",
        "        messages=messages.set(topic, RetainedMessage(number, frame)),\n",
        "        messages=messages.set(topic, before or RetainedMessage(number, frame)),\n",
        Worlds(),
    ),
    Mutant(
        "retained length not subtracted",
        "core/broadcast/retained.py",
        "a message that was replaced still counts",
        "    if before is not None:\n        length -= retained_len(len(before.frame), topic)\n",
        "",
        Worlds(),
    ),
    Mutant(
        "newest forgotten with an older one",
        "core/broadcast/latest.py",
        "a topic is forgotten when a superseded message on it leaves the ring",
        "        if known is not None and known.number == order[first][0]:\n",
        "        if known is not None:\n",
        Worlds(),
    ),
    Mutant(
        "laggards looked at too late",
        "core/broadcast/laggards.py",
        "the last number that the tail has passed is left out",
        "    numbers = range(broadcast.lowest_cursor, broadcast.ring.tail_number)\n",
        "    numbers = range(broadcast.lowest_cursor, broadcast.ring.tail_number - 1)\n",
        Worlds(),
    ),
    Mutant(
        "history one too many",
        "core/broadcast/broadcast.py",
        "a new subscriber is sent one old message more than it was promised",
        "    missing = count - len(pending_numbers)\n",
        "    missing = count - len(pending_numbers) + 1\n",
        Worlds(),
    ),
    Mutant(
        "resumed one too late",
        "core/broadcast/joining.py",
        "who comes back misses the message behind its position",
        "        needed = own_number(numbering, asked.number)\n",
        "        needed = own_number(numbering, asked.number) + 1\n",
        Worlds(),
    ),
)
