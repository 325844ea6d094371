"""`sigil ws URL`: a WebSocket in a terminal, or between two pipes.

Theory: one loop waits for the WebSocket, for the input and for time. Typed lines are sent, and
messages are shown above the line that is being typed; through a pipe every line in is a message,
and every message out a line. A binary message is shown, and printed, in hexadecimal digits.

Rules: standard output has messages only, all else goes to stderr. Ctrl-C closes the WebSocket with
1000 and waits for the answer, a second one does not wait. At the end of the input it is closed when
nothing has come for `--wait` seconds, so that the answers to the last lines are seen. With
`--after` or `--topics` the stream is followed as a browser does: reconnecting, and behind the last
position. It does not know frames.
"""

import argparse
import os
import select
import signal
import sys
import time
from contextlib import suppress
from types import FrameType

from sigil.apps.client.input import (
    CloseNow,
    CommandProblem,
    Input,
    LineSplitter,
    SendLine,
    SendPing,
    ShowHelp,
    meaning_of,
    parse_line,
)
from sigil.apps.client.options import client_options, fields_of
from sigil.apps.client.screen import above_the_line, shown_message, terminal_size, visible
from sigil.apps.client.statuses import (
    HTTP_STATUS,
    INTERRUPT_STATUS,
    USAGE_STATUS,
    status_of,
)
from sigil.apps.terminal import (
    WRITE_STATUS,
    CommandError,
    print_aside,
    print_error,
    print_note,
    write_output,
)
from sigil.client import (
    Client,
    ClientError,
    WebSocket,
    WebSocketCallbacks,
    WebSocketRefused,
    ws_connect,
)

READ_LEN = 65_536
QUEUED_MAX = 2**20
"""Bytes that wait to be sent, beyond which no more input is read."""
EXPECTED_CODES = frozenset((1000, 1001, 1005))


def main(arguments: argparse.Namespace) -> int:
    """Run `sigil ws` with these arguments; the exit status."""
    try:
        client = Client(**client_options(arguments))
    except ValueError as error:
        print_error(str(error))
        return USAGE_STATUS
    with client:
        try:
            return Session(client, arguments).run()
        except (ClientError, ValueError) as error:
            print_error(str(error))
            return status_of(error)
        except KeyboardInterrupt:
            return INTERRUPT_STATUS


class Session:
    """A WebSocket between an input and an output."""

    def __init__(self, client: Client, arguments: argparse.Namespace) -> None:
        self._client, self._arguments = client, arguments
        self._lines = LineSplitter()
        self._input: int | None = None
        if not arguments.no_input and sys.stdin is not None:
            self._input = sys.stdin.fileno()
        self._is_typed = self._input is not None and os.isatty(self._input)
        self._is_shown = sys.stdout.isatty()
        commands = arguments.commands
        self._has_commands = self._is_typed if commands is None else commands
        self._pinged_at: dict[bytes, float] = {}
        self._closes_at: float | None = None
        self._last_at = time.monotonic()
        self._is_over = False
        self._is_asked = False
        """Whoever types has closed it, with whatever code."""
        self._interrupts = 0
        self._error: BaseException | None = None
        self._status = 0
        self._is_stream = arguments.after is not None or bool(arguments.topics)
        self._ws = self._connect()

    def _connect(self) -> WebSocket:
        """The WebSocket, which is being opened."""
        arguments = self._arguments
        url = arguments.url if "://" in arguments.url else f"ws://{arguments.url}"
        return ws_connect(
            url,
            arguments.subprotocol,
            origin=arguments.origin,
            headers=fields_of(arguments),
            after=arguments.after,
            topics=arguments.topics,
            history=arguments.history,
            reconnect=self._is_stream,
            client=self._client,
            callbacks=WebSocketCallbacks(
                open=self._opened,
                message=self._received,
                close=self._closed,
                pong=self._ponged,
                gap=self._missed,
                error=self._failed,
            ),
        )

    def run(self) -> int:
        """Wait for what happens until the WebSocket is over; the exit status."""
        before = signal.signal(signal.SIGINT, self._on_interrupt)
        try:
            while not self._is_over:
                self._run_once()
        finally:
            signal.signal(signal.SIGINT, before)
            sys.stdout.flush()
        return self._status

    # -- the loop ----------------------------------------------------------------------------------

    def _run_once(self) -> None:
        """Wait for the WebSocket, the input or time, and do what is to be done."""
        descriptors = [self._client.fileno()]
        if self._input is not None and self._ws.is_open and not self._is_full():
            descriptors.append(self._input)
        with suppress(InterruptedError):
            ready, _, _ = select.select(descriptors, (), (), self._seconds_to_wait())
            if self._input in ready:
                self._read_input()
        self._client.tick(0.0)
        if self._closes_at is not None and time.monotonic() >= self._closes_at:
            self._closes_at = None
            self._ws.close()

    def _is_full(self) -> bool:
        """True while so much waits to be sent that no more is read."""
        return self._ws.buffered_amount > QUEUED_MAX

    def _seconds_to_wait(self) -> float | None:
        """How long to wait at most."""
        deadlines = [self._client.next_deadline(), self._closes_at]
        due = min([at for at in deadlines if at is not None], default=None)
        return None if due is None else max(0.0, due - time.monotonic())

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-C: close, and at the second one end."""
        self._interrupts += 1
        if self._interrupts > 1 or not self._ws.is_open:
            self._is_over = True
        self._client.call_soon(self._ws.close)

    def _read_input(self) -> None:
        """Read once, and do what the lines ask for."""
        assert self._input is not None
        try:
            data = os.read(self._input, READ_LEN)
        except OSError:
            data = b""
        lines = self._lines.feed(data) if data else self._lines.finish()
        for line in lines:
            self._do(parse_line(line, self._has_commands))
        if not data:
            self._input = None
            if self._is_typed:
                self._ws.close()
            else:
                self._closes_at = time.monotonic() + self._arguments.wait

    def _do(self, asked: Input) -> None:
        """Do what a line asks for."""
        match asked:
            case SendLine():
                self._ws.send(asked.message)
            case SendPing():
                self._pinged_at[asked.payload] = time.monotonic()
                self._ws.ping(asked.payload)
            case CloseNow():
                self._is_asked = True
                self._ws.close(asked.code, asked.reason)
            case ShowHelp():
                self._note(asked.text.rstrip())
            case CommandProblem():
                self._note(asked.sentence)

    # -- what the WebSocket calls ------------------------------------------------------------------

    def _opened(self, ws: WebSocket) -> None:
        """It is open."""
        self._error = None
        agreed = f", {ws.subprotocol}" if ws.subprotocol else ""
        typed = "; /help lists the commands, Ctrl-D closes" if self._has_commands else ""
        if self._is_typed or self._is_shown:
            self._note(f"connected to {visible(ws.url)}{visible(agreed)}{typed}")

    def _received(self, ws: WebSocket, message: str | bytes) -> None:
        """A message has come."""
        if self._closes_at is not None:
            self._closes_at = time.monotonic() + self._arguments.wait
        try:
            if self._is_shown:
                self._show(f"< {shown_message(message)}")
            else:
                write_output(shown_message(message, is_cut=False) + "\n")
        except BrokenPipeError:
            self._is_over, self._status = True, WRITE_STATUS
        except CommandError as error:
            print_error(str(error))
            self._is_over, self._status = True, error.status

    def _ponged(self, ws: WebSocket, payload: bytes) -> None:
        """A pong has come; those of the WebSocket's own pings are not shown."""
        pinged_at = self._pinged_at.pop(payload, None)
        if pinged_at is not None:
            text = visible(payload.decode("utf-8", "replace"))
            seconds = time.monotonic() - pinged_at
            self._note(f"pong{' ' if text else ''}{text}: {seconds * 1_000:.1f} ms")

    def _missed(self, ws: WebSocket, gap: object) -> None:
        """Messages of the stream are missing."""
        missed = getattr(gap, "missed", None)
        count = "an unknown number of" if missed is None else missed
        self._note(f"a gap: {count} messages are missing")

    def _failed(self, ws: WebSocket, error: BaseException) -> None:
        """An attempt has failed, or the connection was lost."""
        self._error = error

    def _closed(self, ws: WebSocket, code: int, reason: str, retry_after: float | None) -> None:
        """It has ended, or is opened again."""
        if self._is_over:  # the command has ended it, and said why
            return
        error, ending = self._error, f"closed: {code} ({meaning_of(code)})"
        ending += f" {visible(reason)}" if reason else ""
        if retry_after is not None:
            why = visible(str(error)) if error is not None else ending
            self._note(f"{why}; trying again in {retry_after:.1f} s")
            return
        self._is_over = True
        if error is not None:
            self._status = HTTP_STATUS if isinstance(error, WebSocketRefused) else status_of(error)
            self._note(visible(str(error)))
        elif code not in EXPECTED_CODES and not self._is_asked:
            self._status = 1
        if error is None and (self._is_typed or self._is_shown or self._status):
            self._note(ending)
        if self._is_stream and ws.position:
            self._note(f"the position is {visible(ws.position)}")

    # -- what a person sees ------------------------------------------------------------------------

    def _show(self, text: str) -> None:
        """Write a text above the line that is being typed."""
        write_output(above_the_line(text, *terminal_size()) if self._is_typed else f"{text}\n")

    def _note(self, text: str) -> None:
        """Write something that is no message."""
        if self._is_typed and sys.stderr.isatty():
            print_aside(above_the_line(f"* {text}".replace("\n", "\n* "), *terminal_size()))
        else:
            print_note(text)
