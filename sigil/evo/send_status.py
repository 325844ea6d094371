"""What becomes of a part of a response that is streamed with offsets.

Theory: who streams a body of known length wants to know two things of each part: whether all of it
was taken, and whether the response is complete with it. The runtime answers both at once, in two
bits.

Rules: the numbers are those of the runtime. It does not know what is sent.
"""

from enum import IntFlag


class HttpSendStatus(IntFlag):
    """What `stream_response` returns."""

    NONE = 0
    """Not all was taken: go on with `HTTP_CONNECTION_WRITABLE`, from the offset that it brings."""
    SENT = 1
    """All of this part was taken."""
    ENDED = 2
    """The response is complete, and its id not valid any more."""
    SENT_AND_ENDED = 3
    """All was taken, and it was the last part."""
