"""The table by which the client in Python connects again: its rows are those of the page, and the
browser's client does the same in the same cases, with the same numbers.

The oracle: `next` of `sigil-client.js`, run by node, with the same literal events.
"""

import json
from pathlib import Path

from sigil.core.client.websocket_retry import TABLE
from tests.core.client.test_websocket_retry import CASES, run
from tests.docs.blocks import page_of
from tests.javascript.node import running
from tests.javascript.test_client_machine import ROW

OTHER_TRANSPORTS = ("climb", "probe opened", "probe late", "probe ended")
WITHOUT = ("isOffline", "isBroken")
"""The events and conditions of clients that have other transports, or know of their network."""


def test_the_browser_does_what_this_client_does(tmp_path: Path) -> None:
    with running(tmp_path, json.dumps(CASES), script="machine.mjs") as script:
        theirs = script.rest()
    assert [run(case) for case in CASES] == theirs


def test_the_rows_are_those_of_the_page_without_other_transports() -> None:
    rows = [
        (state, event, condition, action, then)
        for state, event, condition, action, then in ROW.findall(page_of("reference/client.md"))
        if event not in OTHER_TRANSPORTS and condition not in WITHOUT
    ]
    ours = [
        (state.value, kind, camel(guard.__name__), camel(act.__name__), then.value)
        for state, kind, guard, act, then in TABLE
    ]
    assert ours == rows


def camel(name: str) -> str:
    """A name as JavaScript spells it."""
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))
