"""`sigil replay`: a recording is replayed, asked, compared with another handler; or many are.

Theory: what a recording can say it says by itself (`sigil.replay`); here it is asked by flags and
printed. Without any it is verified: the same effects to the byte, or where they differ first. A
folder of recordings (`--check`) is a regression suite: of this version, and with `--app` of a
program.

Rules: standard output gets what was asked for, in which what a recording says is no order to a
terminal. Exit status: 0 if all agrees, 1 if something differs, 2 for a usage error (a turn or a
connection that is not there is one), 3 for a recording or an application that cannot be had. It
does not know how anything is found out.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sigil import HttpServer, Limits, replay
from sigil.apps.terminal import CommandError, print_line, without_controls
from sigil.cli.replaying import USAGE_STATUS, check_serving
from sigil.cli.settings import Settings
from sigil.core.trace.wire import count_of

if TYPE_CHECKING:
    from sigil.shell.recording.recording import Recording

DIFFERS_STATUS, UNREADABLE_STATUS = 1, 3
LISTED_MAX = 20
"""Ends, changes and differences that are listed."""
SUFFIX = ".mcap"
"""How the names of recordings in a folder end."""


def run_replay(settings: Settings) -> int:
    """Replay a recording, or a folder of them; the exit status."""
    check_serving(settings)
    handler = load_handler(settings) if settings.app else None
    from sigil.shell.recording.errors import RecordingError

    try:
        if settings.check:
            return check_folder(Path(settings.recording), handler, settings)
        recording = open_recording(settings.recording, settings.until)
        status = 0
        for lines, differs in answers(recording, handler, settings):
            print_line(without_controls(lines))
            status = DIFFERS_STATUS if differs else status
        return status
    except RecordingError as error:  # it is read as far as it is asked about
        raise CommandError(str(error), UNREADABLE_STATUS) from error


def open_recording(path: str, until: int | None = None) -> "Recording":
    """A recording in a file, up to this turn; `CommandError` if it cannot be read."""
    from sigil.shell.recording.errors import RecordingError
    from sigil.shell.recording.recording import Recording

    try:
        recording = replay(path)
        if until is None:
            return recording
        count = len(recording.turns)
        if until > count:
            text = f"there is no turn {until}: the recording has {count}, from 1 on"
            raise CommandError(text, USAGE_STATUS)
        return Recording(recording.first, recording.turns[:until], recording.about)
    except (RecordingError, ModuleNotFoundError) as error:
        raise CommandError(str(error), UNREADABLE_STATUS) from error


def load_handler(settings: Settings) -> object:
    """The handler that `--app` names; `CommandError` if there is none."""
    from sigil.cli.find_app import load_app

    app = load_app(settings.app, settings.app_dir, settings.factory)
    return app.settings.handler if isinstance(app, HttpServer) else app


def limits_of(recording: "Recording", settings: Settings) -> Limits | None:
    """The limits of a recording with those that `--limits` gives; None if it gives none."""
    if not settings.limits:
        return None
    changes: dict[str, Any] = dict(settings.limits)
    return recording.first.limits._replace(**changes)


# -- one recording ---------------------------------------------------------------------------------


def answers(
    recording: "Recording", handler: object, settings: Settings
) -> Iterator[tuple[str, bool]]:
    """What was asked of a recording, each answer with whether it is a difference."""
    from sigil.shell.recording.errors import RecordingError
    from sigil.shell.recording.recording import UnknownConn

    limits, has_asked = limits_of(recording, settings), False
    try:
        if settings.stats:
            has_asked = True
            yield stats_text(recording), False
        if settings.conn is not None:
            has_asked = True
            yield str(recording.dialogue(settings.conn)), False
        if settings.explain is not None:
            has_asked = True
            yield str(recording.explain(settings.explain)), False
        if limits is not None or settings.slow is not None:
            has_asked = True
            yield str(recording.what_if(limits, settings.slow)), False
    except RecordingError:
        raise
    except (UnknownConn, ValueError) as error:
        raise CommandError(str(error), USAGE_STATUS) from error
    if handler is not None:
        has_asked = True
        yield against_text(recording, handler, settings)
    if not has_asked:
        yield from replayed(recording, settings)


def replayed(recording: "Recording", settings: Settings) -> Iterator[tuple[str, bool]]:
    """What a recording is, whether it agrees, which connections have ended, and what the turn has
    changed that was asked for.
    """
    yield title_of(recording, settings.recording), False
    compared = recording.compare()
    yield str(compared), compared.difference is not None
    if compared.difference is not None:
        return
    if settings.until is not None and settings.until > 0:
        yield turn_text(recording, settings.until), False
    if not compared.is_whole:
        return
    closes = recording.closes()
    rows = [f"  {close}" for close in closes[-LISTED_MAX:]]
    if len(closes) > LISTED_MAX:
        rows.insert(0, f"  ... {len(closes) - LISTED_MAX:,} before ...")
    if rows:
        yield "\n".join(["connections that have ended (--explain N says why):", *rows]), False


def title_of(recording: "Recording", path: str) -> str:
    """What a recording is, in a few words."""
    figures, about = recording.stats(), recording.about
    rows = [
        f"{path}: {count_of(figures.turns, 'turn')} in {figures.seconds:,.3f} s",
        f"  {count_of(figures.accepted, 'connection')} accepted, "
        f"{count_of(figures.requests, 'request')}, "
        f"{count_of(figures.published, 'message')} published",
    ]
    if about.sigil:
        begun = datetime.fromtimestamp(about.begun, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        core = "compiled" if about.is_compiled else "pure"
        rows.append(f"  recorded {begun} by sigil {about.sigil}, {core}, Python {about.python}")
    if about.redaction:
        rows.append(f"  redacted: {', '.join(about.redaction)}")
    if figures.gaps:
        gaps, missed = count_of(figures.gaps, "gap"), count_of(figures.missed, "turn")
        rows.append(f"  {gaps}, in which {missed} are missing")
    if not about.is_whole:
        rows.append("  its end was cut off: it is read as far as it goes")
    return "\n".join(rows)


def turn_text(recording: "Recording", number: int) -> str:
    """A turn: its events and effects, and what it has changed."""
    from sigil.core.views.sentences import effect_line, event_line

    turn, changes = recording.turns[number - 1], recording.diff(number - 1, number)
    rows = [f"turn {turn.number}:"]
    rows += [f"  -> {event_line(event).text}" for event in turn.events[:LISTED_MAX]]
    rows += [
        f"  <- {effect_line(effect).text}" for effect in recording.effects(number)[:LISTED_MAX]
    ]
    rows += [f"  {change!r}" for change in changes[:LISTED_MAX]]
    if len(changes) > LISTED_MAX:
        rows.append(f"  ... and {len(changes) - LISTED_MAX:,} more changes")
    return "\n".join(rows)


def stats_text(recording: "Recording") -> str:
    """The figures of a recording, one a line."""
    rows = []
    for name, value in recording.stats()._asdict().items():
        if isinstance(value, dict):
            rows.append(f"{name}:")
            rows += [f"  {kind}: {count:,}" for kind, count in value.items()]
        else:
            rows.append(f"{name}: {value:,}" if isinstance(value, int) else f"{name}: {value:.3f}")
    return "\n".join(rows)


def against_text(recording: "Recording", handler: object, settings: Settings) -> tuple[str, bool]:
    """Which answers of a handler differ from those that were recorded, and whether any does."""
    found = recording.against(handler, ignoring=settings.ignore)  # type: ignore[arg-type]
    if not found:
        return f"{settings.app} answers every request as it was recorded", False
    rows = [str(difference) for difference in found[:LISTED_MAX]]
    if len(found) > LISTED_MAX:
        rows.append(f"... and {len(found) - LISTED_MAX:,} more")
    return "\n".join(
        [f"{settings.app} answers {count_of(len(found), 'request')} otherwise:", *rows]
    ), True


# -- a folder of them ------------------------------------------------------------------------------


def check_folder(folder: Path, handler: object, settings: Settings) -> int:
    """Replay every recording in a folder, and have a handler answer its requests if one is given; a
    line for each, and what differs first. The exit status.
    """
    if not folder.is_dir():
        raise CommandError(f"{folder} is no folder: --check takes one", UNREADABLE_STATUS)
    paths = sorted(folder.rglob(f"*{SUFFIX}"))
    if not paths:
        raise CommandError(f"{folder} has no recordings (*{SUFFIX})", UNREADABLE_STATUS)
    for path in paths:
        recording = open_recording(str(path), settings.until)
        compared = recording.compare()
        if compared.difference is not None:
            print_line(without_controls(f"{path}: {compared}"))
            return DIFFERS_STATUS
        if handler is not None:
            text, differs = against_text(recording, handler, settings)
            if differs:
                print_line(without_controls(f"{path}: {text}"))
                return DIFFERS_STATUS
        print_line(without_controls(f"{path}: {count_of(len(recording.turns), 'turn')}, the same"))
    return 0
