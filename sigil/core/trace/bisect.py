"""The first of many states of which something is true, by few looks.

Theory: what has gone wrong once stays wrong, mostly: a counter that is too high, a client that is
gone, a message that was lost. So one need not look at every state: half of those that are left can
be left out by each look.

Rules: of a predicate that changes more than once, one of the places is found at which it becomes
true: it holds there, and not in the state before. It is asked about no state twice, and raises
through. It does not know what is asked.
"""

from collections.abc import Callable


def first_true(count: int, is_true: Callable[[int], object]) -> int | None:
    """The first number below `count` for which this is true, None if there is none; it is asked for
    at most `count.bit_length()` numbers.
    """
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if is_true(middle):
            high = middle
        else:
            low = middle + 1
    return low if low < count else None
