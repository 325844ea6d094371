"""A program in a process of its own: what it prints.

Theory: limits of a process, such as that of descriptors, cannot be given back, so a test of them
runs elsewhere.  Rules: the process must end by itself, and well.  It does not know the program.
"""

import subprocess
import sys

from tests.support.servers import PATIENCE


def lines_of(source: str) -> list[str]:
    """The lines that a process of its own prints."""
    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
