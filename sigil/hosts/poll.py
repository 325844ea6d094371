"""Servers and clients in a bare loop: `select.poll` on their descriptors, until all have ended.

    with server.stop_on_signals(), another.stop_on_signals():
        sigil.hosts.poll.serve(server, another)

Theory: this is the least that a loop is, and the pattern for one of your own that waits for more
than servers: wait for the descriptors until the earliest deadline, tick what is ready or due.

Rules: whatever leaves a tick ends all of them, and is raised. It does not know signals.
"""

import select

from .hosting import Hosted, begin, end_now, is_running, let_go, milliseconds, seconds_left


def serve(*hosted: Hosted) -> None:
    """Serve until all of these have ended; they listen from now on. OSError if one cannot, which
    ends the others; RuntimeError if something else drives one.
    """
    poll = select.poll()
    descriptors: dict[int, Hosted] = {}
    try:
        for each in hosted:
            descriptor = begin(each)
            descriptors[descriptor] = each
            poll.register(descriptor, select.POLLIN)
        while descriptors:
            left = [seconds_left(each) for each in descriptors.values()]
            waits = [seconds for seconds in left if seconds is not None]
            ready = dict(poll.poll(milliseconds(min(waits)) if waits else None))
            for descriptor, each in tuple(descriptors.items()):
                if descriptor in ready or seconds_left(each) == 0.0:
                    each.tick(0.0)
                if not is_running(each):
                    poll.unregister(descriptor)
                    let_go(descriptors.pop(descriptor))
    finally:
        for each in descriptors.values():
            end_now(each)
