"""What a program calls the server with, checked: a sentence at the call, no surprise in the loop.

Theory: a call may come from any thread and is done later, when nobody is there to be told what was
wrong with it. So its arguments are checked where it is made, and what cannot be right is refused
with a TypeError that says what is.

Rules: little but types is looked at, and none is converted. It does not know the server.
"""

from ..core.broadcast.entry import LATEST, NO_OPTIONS, PublishOptions
from ..core.conn import Conn
from ..core.events import Stop
from ..core.topics import AllTopics


def check_topic(topic: object) -> None:
    """TypeError for what nobody can be subscribed to."""
    if not isinstance(topic, str | AllTopics):
        raise TypeError(f"a topic is a str or ALL_TOPICS, not {type(topic).__name__}")


def check_topic_of_message(topic: object) -> None:
    """TypeError for what no message can be published on."""
    if isinstance(topic, AllTopics):
        raise TypeError("a message is published on one topic, or on none: it is for everybody then")
    if not isinstance(topic, str):
        raise TypeError(f"a topic is a str, not {type(topic).__name__}")


def publish_options(latest: object, retain: object, exclude: object) -> PublishOptions:
    """The options of a message that is broadcast; TypeError for what is none."""
    if not isinstance(latest, bool) or not isinstance(retain, bool):
        name, value = ("retain", retain) if isinstance(latest, bool) else ("latest", latest)
        raise TypeError(f"{name} is True or False, not {type(value).__name__}")
    if exclude is not None and type(exclude) is not Conn:
        raise TypeError(f"exclude is a Conn or None, not {type(exclude).__name__}")
    if exclude is None and not retain:
        return LATEST if latest else NO_OPTIONS
    return PublishOptions(latest, retain, exclude)


def stop_event(grace: float) -> Stop:
    """The event of a program that stops its server; TypeError or ValueError for what is no number
    of seconds.
    """
    if not isinstance(grace, int | float):
        raise TypeError(f"grace is a number of seconds, not {type(grace).__name__}")
    if grace != grace:  # no deadline would ever be over
        raise ValueError("grace is a number of seconds, not nan")
    return Stop(float(grace))


def check_conn(conn: object) -> None:
    """TypeError for what names no connection."""
    if type(conn) is not Conn:
        raise TypeError(f"a connection is named by a Conn, not {type(conn).__name__}")
