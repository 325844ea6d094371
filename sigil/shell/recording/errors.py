"""What is wrong with a recording, as an exception.

Rules: the text is a sentence for a person, and names the file. It does not know who reads.
"""


class RecordingError(ValueError):
    """A recording that cannot be read, or that cannot be written where it was asked for."""
