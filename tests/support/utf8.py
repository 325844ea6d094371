"""Whether bytes are the begin of a text in UTF-8, found by trying.

Theory: a few continuations are enough: if some text begins with these bytes, one of them makes them
a text. It does not know how sigil checks texts, so that is compared with it.
"""

FOLLOWERS = [
    bytes(rest)
    for rest in (
        (),
        (0x80,),
        (0x80, 0x80),
        (0x80, 0x80, 0x80),
        (0x90,),
        (0x90, 0x80),
        (0x90, 0x80, 0x80),
        (0xA0,),
        (0xA0, 0x80),
    )
]


def can_become_utf8(data: bytes) -> bool:
    """Whether something behind these bytes makes them UTF-8, found by trying."""
    for rest in FOLLOWERS:
        try:
            (data + rest).decode()
        except UnicodeDecodeError:
            continue
        return True
    return False
