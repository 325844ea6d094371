"""The topics that a client asks for in its query, of the commands that stream.

Rules: `?topic=a&topic=b`; no topic is all of them, or what the command makes of that. Topics that a
client cannot be subscribed to are the client's mistake, a 400, and no error of the command. It does
not know what is published.
"""

from sigil import BadInput, Limits, Request

LIMITS = Limits()
"""Those of a server of the commands, as far as topics go."""


def requested_topics(request: Request) -> list[str]:
    """The topics of the query; `BadInput` for too many, and for one that is too long."""
    topics = [value for name, value in request.arg_list if name == "topic"]
    if len(set(topics)) > LIMITS.max_ws_topics_per_client:
        raise BadInput(f"there may be {LIMITS.max_ws_topics_per_client} topics, not {len(topics)}")
    longest = max([len(topic.encode(errors="surrogatepass")) for topic in topics], default=0)
    if longest > LIMITS.max_topic_len:
        raise BadInput(f"a topic has {LIMITS.max_topic_len} bytes at most, not {longest}")
    return topics
