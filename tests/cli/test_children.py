"""What a parent and a child say to each other; no processes (those are in test_supervisor)."""

import json

import pytest

from sigil.cli.children import (
    CHILD,
    Message,
    Serves,
    Wants,
    command_of,
    from_line,
    settings_from,
    to_line,
)
from sigil.cli.listening import Place
from sigil.cli.settings import Settings


def test_a_child_is_handed_the_settings_as_they_are() -> None:
    settings = Settings(
        "serve", "a:b", app_dir="caf\udce9", reload=True, reload_dir=("x",), timeout_keep_alive=1.5
    )
    *_, script, _, words = command_of(settings, 6)
    fields, channel = json.loads(words)
    assert (settings_from(fields), channel, script) == (settings, 6, CHILD)
    assert words.isascii()


def test_only_a_child_that_is_reloaded_writes_no_bytecode() -> None:
    assert ["-B" in command_of(Settings("serve", reload=each), 6) for each in (True, False)] == [
        True,
        False,
    ]


@pytest.mark.parametrize("message", [Wants(Place("::1", 0, 128)), Serves(7)])
def test_a_message_arrives_as_it_was_sent(message: Message) -> None:
    line = to_line(message)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert from_line(line) == message
