"""What is wrong with a recording, as an exception.

Theory: a recording may come from a stranger, and what it holds need not be what a server ever was:
a text where a number belongs, a slot that is not there. Whoever comes upon that raises whatever it
raises; whoever has asked is told in a sentence that it is the recording.

Rules: the text is a sentence for a person, and names the file if there is one. It does not know who
reads.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from ...core.trace.states import ReplayFailed


class RecordingError(ValueError):
    """A recording that cannot be read, or that cannot be written where it was asked for."""


@contextmanager
def asked_of_recording() -> Iterator[None]:
    """`RecordingError` for whatever is raised while the block computes what was recorded."""
    try:
        yield
    except RecordingError:
        raise
    except ReplayFailed as error:
        raise RecordingError(str(error)) from error
    except Exception as error:
        text = f"what was recorded does not fit together: {type(error).__name__}: {error}"
        raise RecordingError(text) from error
