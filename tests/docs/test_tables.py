"""Tables that repeat the code say what the code says.

What it is: limits, statuses, close reasons, stats, callbacks, events, effects, phases and timers,
each read from its page and compared.  It does not know whether the words beside them are true.
"""

import inspect
import re
import tomllib
from math import inf
from typing import Any

import sigil
from sigil import Callbacks, CloseReason, HttpServer, Limits, Request, Response, SendStatus, Stats
from sigil.client import ClientLimits, Timeouts
from sigil.core.client.connection import Phase as ClientPhase
from sigil.core.close_reasons import CLOSE_INFO
from sigil.core.connection.client import Phase
from sigil.core.connection.deadlines import TIMEOUTS, Waiting
from sigil.core.server.eviction import EVICTION_ORDER
from tests.docs.blocks import PAGES, README, ROOT, page_of, section_of

LIMIT_ROW = re.compile(r"^\| `(\w+)` \| (\S+)(?: bytes| s)? \|", re.MULTILINE)
REASON_ROW = re.compile(r"^\| (-\d+) \| `(\w+)` \| (\d*) ?\| (\d*) ?\| (.*) \|$", re.MULTILINE)


def test_the_table_of_limits_has_every_limit_with_its_default() -> None:
    rows = LIMIT_ROW.findall(page_of("reference/limits.md"))
    assert {name: [value for other, value in rows if other == name] for name, _ in rows} == {
        name: [str(default)] for name, default in Limits._field_defaults.items()
    }


def test_the_tables_of_the_client_have_every_limit_and_timeout_with_its_default() -> None:
    rows = LIMIT_ROW.findall(page_of("reference/http-client.md"))
    assert dict(rows) == {
        name: str(default) for name, default in ClientLimits._field_defaults.items()
    }
    told = re.findall(r"^\| `(\w+)` \| (\d+) s \|", page_of("guides/client.md"), re.MULTILINE)
    assert {name: float(seconds) for name, seconds in told} == {
        name: value for name, value in Timeouts()._asdict().items() if value is not None
    }


def test_the_table_of_the_phases_of_a_client_has_every_phase() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", section_of("spec.md", "The other end"), re.MULTILINE)
    assert rows == [phase.name for phase in ClientPhase]


def test_the_table_of_close_reasons_is_that_of_the_code() -> None:
    told = [
        (int(number), name, int(status or 0), int(code or 0), sentence)
        for number, name, status, code, sentence in REASON_ROW.findall(
            page_of("reference/close-reasons.md")
        )
    ]
    assert told == [
        (
            int(reason),
            reason.name,
            CLOSE_INFO[reason].status,
            CLOSE_INFO[reason].code,
            CLOSE_INFO[reason].sentence,
        )
        for reason in sorted(CloseReason, reverse=True)
    ]


def test_the_statuses_of_the_table_are_those_that_are_sent() -> None:
    rows = re.findall(r"^\| ((?:\d{3}, )*\d{3}) \|", page_of("reference/statuses.md"), re.MULTILINE)
    told = {int(status) for row in rows for status in row.split(", ")}
    assert told == {meaning.status for meaning in CLOSE_INFO.values() if meaning.status} - {411} | {
        404,
        405,
    }


def test_the_table_of_stats_has_every_figure() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", page_of("reference/stats.md"), re.MULTILINE)
    assert [name.strip("`") for row in rows for name in row.split(", ")] == list(Stats._fields)


def test_the_symptoms_name_the_reasons_of_each_code() -> None:
    sections = re.split(
        r"^### ", section_of("symptoms.md", "WebSocket close codes"), flags=re.MULTILINE
    )[1:]
    known = {reason.name for reason in CloseReason}
    for section in sections:
        codes = {int(code) for code in re.findall(r"\b1\d{3}\b", section.partition("\n")[0])}
        named = {name for name in re.findall(r"`([A-Z_]+)`", section) if name in known}
        assert codes and named
        assert {CLOSE_INFO[CloseReason[name]].code for name in named} <= codes, section.partition(
            "\n"
        )[0]


def test_the_symptoms_name_reasons_and_limits_that_exist_with_their_defaults() -> None:
    text = " ".join(page_of("symptoms.md").split())
    assert set(re.findall(r"`([A-Z]+_[A-Z_]+)`", text)) <= {reason.name for reason in CloseReason}
    told = re.findall(r"`(\w+)`, (\d+) (s|MiB)", text)
    assert len(told) > 4
    for name, value, unit in told:
        assert getattr(Limits(), name) == int(value) * (1 if unit == "s" else 2**20), name


def test_the_tables_of_websockets_name_what_there_is() -> None:
    page = page_of("guides/websockets.md")
    told = dict(re.findall(r"^\| `(\w+)\(server, ((?:conn|peer)[^)]*)\)` \|", page, re.MULTILINE))
    assert set(told) == set(Callbacks._fields)
    documented = dict(
        re.findall(
            r"`(\w+)\(server, ((?:conn|peer)[^)]*)\)`",
            " ".join((Callbacks.__doc__ or "").split()),
        )
    )
    assert told == documented
    assert re.findall(r"^\| `([A-Z]+)` \|", page, re.MULTILINE) == [
        status.name for status in (SendStatus.SUCCESS, SendStatus.BACKPRESSURE, SendStatus.DROPPED)
    ]
    for row in re.findall(r"^\| (`server\.[^|]*) \|", page, re.MULTILINE):
        for name, words in re.findall(r"`server\.(\w+)\(([^)]*)\)`", row):
            told_names = [word.partition("=")[0].lstrip("*") for word in words.split(", ") if word]
            known = [*inspect.signature(getattr(HttpServer, name)).parameters][1:]
            assert told_names == known[: len(told_names)], name


def test_the_tables_of_request_and_response_name_what_there_is() -> None:
    text = page_of("guides/http.md")
    assert all(f"| `{field}` |" in text for field in Request.__match_args__)
    constructors = {
        name for name, value in vars(Response).items() if isinstance(value, staticmethod)
    }
    assert set(re.findall(r"^\| `Response\.(\w+)\(", text, re.MULTILINE)) == constructors - {
        "__new__"
    }


def test_the_pages_name_attributes_that_exist() -> None:
    for page in PAGES:
        if page.is_relative_to(ROOT / "docs" / "adr"):
            continue
        text = page.read_text(encoding="utf-8")
        assert [
            name for name in re.findall(r"`request\.(\w+)", text) if not hasattr(Request, name)
        ] == [], page.name
        assert [
            name for name in re.findall(r"`server\.(\w+)", text) if not hasattr(HttpServer, name)
        ] == [], page.name


def test_the_page_of_the_api_has_every_public_name() -> None:
    text = page_of("reference/api.md")
    told = re.findall(r"^\.\. auto\w+:: (\w+)", text, re.MULTILINE)
    methods = {name for name in sigil.__all__ if name.startswith("http_server_")}
    assert set(sigil.__all__) - {"__version__"} - methods <= set(told)
    assert "{{ functions }}" in text


def test_the_spec_names_every_event_and_effect_and_no_other() -> None:
    from sigil.core.effects import Effect
    from sigil.core.events import Event

    for kinds, heading in ((Event, "Events"), (Effect, "Effects")):
        section = section_of("spec.md", heading)
        written = re.findall(r"^\| `(\w+)\(([^)]*)\)` \|", section, re.MULTILINE)
        assert {name: tuple(fields.split(", ")) for name, fields in written} == {
            kind.__name__: kind.__match_args__ for kind in kinds.__args__
        }


def test_the_spec_names_every_phase_and_what_arriving_bytes_are_in_it() -> None:
    section = section_of("spec.md", "The life of a connection")
    assert re.findall(r"^\| `([A-Z_]+)` \|", section, re.MULTILINE) == [
        phase.name for phase in Phase
    ]


def test_the_spec_says_how_long_everything_is_waited_for() -> None:
    names = [name for name in Limits._fields if isinstance(Limits._field_defaults[name], float)]
    numbers: dict[str, Any] = {name: float(number) for number, name in enumerate(names)}
    told_apart = Limits(**numbers)
    rows = re.findall(
        r"^\| `([A-Z]+)`: [^|]*\| (?:`(\w+)`|for ever)",
        section_of("spec.md", "Timers"),
        re.MULTILINE,
    )
    assert {Waiting[name]: getattr(told_apart, limit, inf) for name, limit in rows} == {
        waiting: patience(told_apart) for waiting, (patience, _) in TIMEOUTS.items()
    }


def test_the_spec_ranks_who_gives_way_as_the_code_does() -> None:
    section = section_of("spec.md", "When there is not enough")
    ranked = re.findall(
        r"`([A-Z]+)`", section.partition("by what it waits for:")[2].partition(";")[0]
    )
    assert [Waiting[name] for name in ranked] == list(EVICTION_ORDER)


def test_the_map_of_the_code_names_what_is_where() -> None:
    """Each row of "Where does X live": a file, and names that it defines."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition("\n## Where does X live\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| [^|`]+ \| `([^`]+)` \| (.*) \|$", section, re.MULTILINE)
    assert len(rows) > 40
    for file, names in rows:
        source = (ROOT / file).read_text(encoding="utf-8")
        for name in re.findall(r"`(\w+)`", names):
            pattern = rf"^(?:export )?(?:async )?(?:def|class|const|function) {name}\b|^{name}\b.*="
            assert re.search(pattern, source, re.MULTILINE), f"{name} is not defined in {file}"


def test_the_changelog_has_this_version() -> None:
    assert f"\n## [{sigil.__version__}] - " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_tests_install_what_builds_the_site() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    assert set(extras["docs"]) <= set(extras["test"])


def test_the_readme_is_a_page() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 200
