"""What the command prints, and the error that ends it.

Theory: a command is for a person, who gets either what was asked for or one sentence that says what
to do about it: `CommandError`, which carries the exit status as well. A traceback is left for
defects of the program itself.

Rules: stdout carries what the command was asked to print and can be piped; errors and notes go to
stderr. A stdout that nobody reads is no reason not to serve. The log is configured elsewhere
(`sigil.cli.logging_setup`).
"""

import os
import sys
from contextlib import suppress

WRITE_STATUS = 23
"""The exit status where what was asked for cannot be written."""


class CommandError(Exception):
    """Something outside this program is wrong; `status` is the exit status."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


def print_error(sentence: str) -> None:
    """Print an error to stderr."""
    print_aside(f"sigil: error: {sentence}\n")


def print_note(sentence: str) -> None:
    """Print a note to stderr."""
    print_aside(f"sigil: {sentence}\n")


def print_aside(text: str) -> None:
    """Print something to stderr, if anybody reads it."""
    with suppress(OSError):
        print(text, end="", file=sys.stderr, flush=True)


def write_output(text: str) -> None:
    """Write a text to stdout, and flush it; characters that it cannot have are escaped.
    BrokenPipeError where nobody reads it, `CommandError` where it cannot be written; then what
    follows goes nowhere.
    """
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError:
        ignore_output()
        raise
    except OSError as error:
        ignore_output()
        raise CommandError(f"cannot write the output: {error.strerror}", WRITE_STATUS) from error


def print_line(line: str) -> None:
    """Print a line to stdout and flush it; a closed stdout is ignored from then on. Characters that
    the terminal does not have are escaped.
    """
    encoding = sys.stdout.encoding or "utf-8"
    try:
        print(line.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except OSError:  # nobody reads it, or the disk is full
        ignore_output()


def without_controls(text: str) -> str:
    """Some lines that come from elsewhere, with whatever a terminal would obey escaped."""
    return "".join(
        [char if char.isprintable() or char == "\n" else ascii(char)[1:-1] for char in text]
    )


def ignore_output() -> None:
    """Let what is printed to stdout from now on, and what is in its buffer, go nowhere: nobody
    reads it, and it would fail again when the interpreter flushes it at exit.
    """
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)
