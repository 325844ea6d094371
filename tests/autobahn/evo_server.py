"""The echo mode of `sigil.evo.WebSocketServer`, for the fuzzing client to talk to.

Theory: the suite judges what the face has the server do, with its own settings: messages of 16 MiB
at most, 64 KiB ahead of a client.

Rules: `python -m tests.autobahn.evo_server PORT LIFE_S`: it serves on 127.0.0.1 until SIGTERM, or
until the alarm after LIFE_S seconds. It does not know which cases are run.
"""

import signal
import sys

from sigil.evo import WebSocketServer


def main(arguments: list[str]) -> None:
    """Serves until it is told to end."""
    port, life_s = map(int, arguments)
    signal.alarm(life_s)
    server = WebSocketServer()
    server.set_echo_mode(True)
    server.start_listening(port)
    server.serve()


if __name__ == "__main__":
    main(sys.argv[1:])
