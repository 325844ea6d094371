"""The parts of it."""

import os
import sys


class CommandError(Exception):
    """Something outside this program is wrong: what to say, and the exit status to end with."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


def print_error(sentence: str) -> None:
    """A line on stderr about what is wrong."""
    print(f"sigil: error: {sentence}", file=sys.stderr, flush=True)


def print_note(sentence: str) -> None:
    """A line on stderr about what is worth knowing."""
    print(f"sigil: {sentence}", file=sys.stderr, flush=True)


def print_line(line: str) -> None:
    """A line on stdout, at once."""
    try:
        print(line, flush=True)
    except OSError:  # nobody reads it, or the disk is full
        # What is left in the buffer would fail once more when the interpreter flushes it at the
        # end.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
