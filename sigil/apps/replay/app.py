"""The handler behind the page: its routes, and what may be asked.

Theory: a route is a function of a recording and of what the query says, so the handler reads the
query, bounds it, and hands out what `documents` makes of it. A recording does not change, and a
simulated network follows from its seed: every response may be asked for again. What may take long
is computed where `do` has it computed (`work`), so that others are answered meanwhile.

Rules: what is wrong in a query is a 400 with a sentence, what is not there (a turn, a connection) a
404; so is what cannot be read, or replayed, of a recording that is damaged there. Everything else
but the page is JSON with `nosniff`, and is not stored. It does not know where recordings come from:
it is given a function from the query's seed to a view, or to what makes one.
"""

import json
import math
import re
from collections.abc import Callable
from typing import Any

from sigil import BadInput, Deferred, Request, Response
from sigil.apps.page import page_response, read_page
from sigil.apps.replay.documents import (
    JUMPS,
    View,
    Wanted,
    about_document,
    jump_document,
    timeline_document,
    turn_document,
    turn_for_time,
    why_document,
)
from sigil.apps.replay.work import Do, at_once
from sigil.core.trace.states import ReplayFailed

METHODS = ("GET", "HEAD")
HEADERS = (
    ("Content-Type", "application/json"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
)
NUMBER = re.compile(r"[0-9]{1,12}")
VISIT = re.compile(r"[0-9A-Za-z-]{1,40}")
COLUMNS = 400

Views = Callable[[Request], View | Callable[[], View]]
"""The recording that a request is about, or what makes it: that takes long."""


class NotThere(Exception):
    """What was asked for is not in the recording."""


def page_text() -> str:
    """The source of the page."""
    return read_page("replay/replay.html")


def number_in(request: Request, name: str, default: int | None = None) -> int:
    """A number of the query; `BadInput` if it is none, or is missing and has no default."""
    text = request.args.get(name)
    if text is None and default is not None:
        return default
    if text is None or not NUMBER.fullmatch(text):
        raise BadInput(f"{name} is a number from 0")
    return int(text)


def _turn_in(request: Request, view: View, name: str = "turn", default: int | None = None) -> int:
    """A turn of the query that is in the recording."""
    turn = number_in(request, name, default)
    if turn > view.timeline.turns:
        raise NotThere(f"there is no turn {turn}: the last one is {view.timeline.turns}")
    return turn


def _visit_in(request: Request) -> tuple[str, str] | None:
    """What is asked for, and the name of the visit: of its requests for that the last counts."""
    visit = request.args.get("visit")
    if visit is not None and not VISIT.fullmatch(visit):
        raise BadInput("visit is a name of up to 40 letters, digits and hyphens")
    return None if visit is None else (request.path, visit)


def _choice_in(request: Request, name: str, choices: tuple[str, ...]) -> str:
    """One of these words; the first if none is given."""
    word = request.args.get(name, choices[0])
    if word not in choices:
        raise BadInput(f"{name} is one of {', '.join(choices)}")
    return word


def _conn_in(request: Request, view: View) -> int | None:
    """The connection of the query, if there is one in it."""
    if "conn" not in request.args:
        return None
    name = number_in(request, "conn")
    if name not in view.timeline.lives:
        raise NotThere(f"there is no connection {name} in this recording")
    return name


# -- the routes ------------------------------------------------------------------------------------


def _about(request: Request, view: View) -> Any:
    """The recording as a whole."""
    return about_document(view)


def _timeline(request: Request, view: View) -> Any:
    """`/timeline.json?first=0&last=99&count=50`: what happened in these turns, in columns."""
    first = _turn_in(request, view, "first", 0)
    last = _turn_in(request, view, "last", view.timeline.turns)
    if first > last:
        raise BadInput("first is not behind last")
    return timeline_document(view, first, last, number_in(request, "count", COLUMNS))


def _turn(request: Request, view: View) -> Any:
    """`/turn.json?turn=41&conn=7`: a turn, and the dialogue with a connection up to it."""
    wanted = Wanted(
        conn=_conn_in(request, view),
        start=number_in(request, "start", 0),
        rows=number_in(request, "count", Wanted().rows),
        since=_turn_in(request, view, "since", 0) if "since" in request.args else None,
        by_lag=_choice_in(request, "order", ("slot", "lag")) == "lag",
    )
    return turn_document(view, _turn_in(request, view), wanted)


def _jump(request: Request, view: View) -> Any:
    """`/jump.json?kind=closes&turn=41&direction=on`: the next turn in which that happened."""
    is_back = _choice_in(request, "direction", ("on", "back")) == "back"
    return jump_document(view, _choice_in(request, "kind", JUMPS), _turn_in(request, view), is_back)


def _at(request: Request, view: View) -> Any:
    """`/at.json?seconds=1.5`: the turn at that time."""
    try:
        seconds = float(request.args.get("seconds", ""))
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise BadInput("seconds is a number")
    return {"turn": turn_for_time(view, seconds)}


def _why(request: Request, view: View) -> Any:
    """`/why.json?conn=7`: what led to the end of a connection."""
    name = _conn_in(request, view)
    if name is None:
        raise BadInput("conn is a number from 0")
    return why_document(view, name)


ROUTES: dict[str, Callable[[Request, View], Any]] = {
    "/about.json": _about,
    "/timeline.json": _timeline,
    "/turn.json": _turn,
    "/jump.json": _jump,
    "/at.json": _at,
    "/why.json": _why,
}
LONG = ("/turn.json", "/why.json")
"""What is computed again from the turns; all else is read off the index."""


def make_app(
    views: Views, unreadable: type[Exception] = ReplayFailed, do: Do = at_once
) -> Callable[[Request], Response | Deferred]:
    """The handler of the page, and of the documents of the recordings that `views` has; what a
    recording raises where it cannot be read is `unreadable`, and `do` has computed what takes long.
    """
    page = page_response(page_text())

    def answer(request: Request, found: View | Callable[[], View]) -> Response:
        """The response to a request for a document."""
        try:
            view = found if isinstance(found, View) else found()
            document = ROUTES[request.path](request, view)
        except (NotThere, ReplayFailed, unreadable) as error:
            return Response.error(404, str(error))
        return Response.text(json.dumps(document, separators=(",", ":")), headers=HEADERS)

    def handle(request: Request) -> Response | Deferred:
        """The response to any request."""
        if request.path not in ROUTES and request.path != "/":
            return Response.error(404, f"there are /, {', '.join(ROUTES)}")
        if request.method not in METHODS:
            return Response.error(405, headers=(("Allow", ", ".join(METHODS)),))
        if request.path == "/":
            return page
        found, visit = views(request), _visit_in(request)
        if isinstance(found, View) and request.path not in LONG:
            return answer(request, found)
        return do(lambda: answer(request, found), visit)

    return handle
