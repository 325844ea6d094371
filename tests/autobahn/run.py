"""The Autobahn suite's fuzzing client against a WebSocket server: python tests/autobahn/run.py

    python tests/autobahn/run.py [--cases '1.*,2.*'] [--sample] [--compression]
                                 [--server 'COMMAND with {port}'] [--suite autobahn|kosoku]
                                 [--report FOLDER] [--time-limit SECONDS] [--tls]

Theory: the suite is the field's own judge of a WebSocket server, independent of this code. It
connects once per case, says something right or wrong, and gives two verdicts: of what the server
did, and of how the connection was closed. Here the worse of the two counts. The table has a row per
section; under it stands every case that is not OK or INFORMATIONAL, with what the suite did and
what came of it. Exit 1 if anything FAILED, was NON-STRICT or UNCLEAN; 2 if the run itself did not
come to its end (then nothing was shown).

The suite is fetched from PyPI when it is needed, into $XDG_CACHE_HOME/sigil-autobahn (or ~/.cache),
never into the tree. `autobahntestsuite` is the original and runs under Python 2.7 only ($PYTHON27,
`python2.7`, or pyenv's); `kosoku` runs the same case files under today's Python. Without --suite
the original is taken where there is a Python 2.7. Sections 1 to 7, 9 and 10 take either half a
minute; 12 and 13 (--compression) are far more work: five minutes for kosoku, over ten for the
original. With --tls all of it goes over TLS, which kosoku does not speak.

Rules: everything is on 127.0.0.1 and bounded in time; what is started is ended by its pid. A server
under test gets its port in place of {port}; it must accept within 10 seconds. The suite's own
reports, with the wire log of every case, stay in the folder that --report names. It does not know
how the server works, and it does not compare runs.
"""

import argparse
import html
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
HOST = "127.0.0.1"
PATIENCE_S = 60.0
POLL_S = 0.05
INSTALL_S = 300
AUTOBAHN = "autobahntestsuite==25.10.1"
KOSOKU = "kosoku==0.1.0"

SECTIONS = ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*")
COMPRESSION = ("12.*", "13.*")
SAMPLE = (
    "1.1.1",
    "1.1.6",
    "1.1.7",
    "1.1.8",
    "1.2.6",
    "1.2.8",  # the three forms of length, and octet by octet
    "2.4",
    "2.5",
    "2.6",
    "2.9",
    "2.10",  # pings: 125 bytes, 126 bytes, chopped, an unasked pong, ten at once
    "3.1",
    "3.2",
    "3.5",
    "3.7",
    "4.1.3",
    "4.1.5",
    "4.2.3",
    "4.2.5",  # reserved bits and opcodes behind a message
    "5.1",
    "5.3",
    "5.6",
    "5.8",
    "5.9",
    "5.15",
    "5.18",
    "5.19",
    "5.20",  # fragments, with control frames among them
    "6.1.2",
    "6.2.3",
    "6.2.4",
    "6.3.1",
    "6.3.2",
    "6.4.1",
    "6.4.4",  # UTF-8, right and wrong, and how soon it is seen
    "6.6.7",
    "6.12.5",
    "6.14.3",
    "6.20.2",
    "6.21.1",
    "6.22.34",  # surrogates, overlong forms, non-characters
    "7.1.2",
    "7.1.4",
    "7.1.5",
    "7.3.1",
    "7.3.2",
    "7.3.6",
    "7.5.1",  # the close, and what comes after it
    "7.7.1",
    "7.7.9",
    "7.7.13",
    "7.9.1",
    "7.9.5",
    "7.9.9",
    "7.13.1",  # codes, allowed and not
    "9.1.6",
    "9.2.6",
    "9.3.1",
    "9.4.4",
    "9.5.1",
    "9.6.6",
    "9.7.2",
    "9.8.6",
    "10.1.1",  # 16 MiB, 64-byte fragments
)
COMPRESSION_SAMPLE = (
    "12.1.1",
    "12.1.9",
    "12.2.5",
    "12.4.3",
    "12.5.18",
    "13.1.5",
    "13.3.5",
    "13.5.5",
    "13.7.1",
)

VERDICTS = (
    "OK",
    "INFORMATIONAL",
    "UNIMPLEMENTED",
    "NON-STRICT",
    "UNCLEAN",
    "WRONG CODE",
    "FAILED BY CLIENT",
    "FAILED",
)
"""From the best to the worst: a case gets the worse of its two."""
COLUMNS = ("OK", "NON-STRICT", "INFORMATIONAL", "UNIMPLEMENTED", "FAILED", "UNCLEAN")
COLUMN_OF = {"WRONG CODE": "FAILED", "FAILED BY CLIENT": "UNCLEAN"}
"""The column of a verdict that has none of its own name."""
SILENT = ("OK", "INFORMATIONAL")
BAD = ("FAILED", "NON-STRICT", "UNCLEAN")


class Case(NamedTuple):
    """One case as the suite judged it. `number` sorts, `report` names the file with the details."""

    number: tuple[int, ...]
    behavior: str
    behavior_close: str
    report: str


class Suite(NamedTuple):
    """A way to run the cases: its command, and what the environment needs besides."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]


class RunError(Exception):
    """The run did not come to its end: what stood in the way."""


# -- the suite -------------------------------------------------------------------------------------


def cache() -> Path:
    """Where the suites are installed."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sigil-autobahn"


def find_python27() -> str | None:
    """A Python 2.7, or None."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = sorted(map(str, pyenv.glob("2.7.*/bin/python2.7")))
    return next(filter(None, (os.environ.get("PYTHON27"), *found, shutil.which("python2.7"))), None)


def install(
    folder: Path, program: str, *commands: Sequence[str], environment: Mapping[str, str]
) -> Path:
    """Runs the commands unless they were run before; answers the path of the program that they
    leave.
    """
    done = folder / "installed"
    if not done.exists():
        print(f"installing {folder.name} into {folder.parent}", flush=True)
        for command in commands:
            result = subprocess.run(
                command,
                env={**os.environ, **environment},
                timeout=INSTALL_S,
                check=False,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            if result.returncode != 0:
                raise RunError(f"{shlex.join(command)}\n{result.stdout[-2000:]}")
        done.touch()
    return folder / "bin" / program


def autobahn() -> Suite:
    """The original, in a user base of its own: 2.7 has no venv, and zope's namespace needs a site
    folder.
    """
    python = find_python27()
    if python is None:
        raise RunError(
            "no Python 2.7 for autobahntestsuite: name one in PYTHON27, or choose --suite kosoku"
        )
    folder = cache() / AUTOBAHN.replace("==", "-")
    environment = {"PYTHONUSERBASE": str(folder)}
    pip = (
        python,
        "-m",
        "pip",
        "install",
        "--user",
        "--ignore-installed",
        "--quiet",
        "--no-warn-script-location",
        "--disable-pip-version-check",
        AUTOBAHN,
    )
    return Suite(
        "autobahn", (str(install(folder, "wstest", pip, environment=environment)),), environment
    )


def kosoku() -> Suite:
    """The same cases under this Python, in a virtual environment of its own."""
    folder = cache() / KOSOKU.replace("==", "-")
    commands = (
        (sys.executable, "-m", "venv", str(folder)),
        (str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", KOSOKU),
    )
    return Suite("kosoku", (str(install(folder, "kosoku", *commands, environment={})),), {})


def choose_suite(name: str) -> Suite:
    """The suite of that name, installed if need be; without a name, the original if it can run
    here.
    """
    return {"autobahn": autobahn, "kosoku": kosoku}[
        name or ("autobahn" if find_python27() else "kosoku")
    ]()


def suite_arguments(
    suite: Suite, cases: Sequence[str], port: int, folder: Path, is_tls: bool
) -> tuple[str, ...]:
    """What the suite is told: the original by a file, the other by its command line."""
    if suite.name == "kosoku":
        if is_tls:
            raise RunError("kosoku speaks no TLS: choose --suite autobahn")
        return (
            f"{HOST}:{port}",
            "-o",
            str(folder),
            *(word for case in cases for word in ("-i", case)),
        )
    spec = {
        "outdir": str(folder),
        "servers": [{"agent": "server", "url": f"{'wss' if is_tls else 'ws'}://{HOST}:{port}"}],
        "cases": list(cases),
        "exclude-cases": [],
        "exclude-agent-cases": {},
    }
    path = folder / "spec.json"
    path.write_text(json.dumps(spec))
    return ("-m", "fuzzingclient", "-s", str(path))


def run_suite(suite: Suite, arguments: Sequence[str], folder: Path, time_limit_s: float) -> str:
    """Runs the cases to their end; what the suite said."""
    command = (*suite.command, *arguments)
    try:
        result = subprocess.run(
            command,
            env={**os.environ, **suite.environment},
            timeout=time_limit_s,
            check=False,
            cwd=folder,
            text=True,
            errors="replace",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except subprocess.TimeoutExpired:
        raise RunError(
            f"the suite had not ended after {time_limit_s:.0f} s (--time-limit)"
        ) from None
    return result.stdout


# -- the server ------------------------------------------------------------------------------------


def free_port() -> int:
    """A port that nobody has just now."""
    with socket.create_server((HOST, 0)) as sock:
        return int(sock.getsockname()[1])


def accepts(port: int) -> bool:
    """True if somebody listens there."""
    with suppress(OSError), socket.create_connection((HOST, port), timeout=PATIENCE_S):
        return True
    return False


def wait_until_it_accepts(process: subprocess.Popen[bytes], port: int) -> None:
    """Returns when the port is open; RunError if the server ended first or took too long."""
    deadline = time.monotonic() + PATIENCE_S
    while not accepts(port):
        with suppress(subprocess.TimeoutExpired):
            raise RunError(f"the server ended with {process.wait(POLL_S)} before it accepted")
        if time.monotonic() > deadline:
            raise RunError(f"the server did not accept within {PATIENCE_S:.0f} s")


@contextmanager
def serving(command: str, time_limit_s: float, is_tls: bool) -> Iterator[int]:
    """The server under test, ended by its pid whatever happens; yields its port."""
    port, life_s = free_port(), str(int(time_limit_s) + 60)
    default = (sys.executable, str(HERE / "echo_server.py"), "{port}", life_s)
    more = ("--tls",) if is_tls else ()
    words = shlex.split((command or shlex.join((*default, *more))).replace("{port}", str(port)))
    path = os.pathsep.join((str(REPOSITORY), os.environ.get("PYTHONPATH", "")))
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            words, env={**os.environ, "PYTHONPATH": path}, stdout=errors, stderr=errors
        )
        try:
            wait_until_it_accepts(process, port)
            yield port
            if process.poll() is not None:
                raise RunError(f"the server ended with {process.returncode} during the run")
        except RunError as error:
            errors.seek(0)
            raise RunError(f"{error}\n{errors.read()[-2000:].decode(errors='replace')}") from None
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


# -- the report ------------------------------------------------------------------------------------


def number_of(case: str) -> tuple[int, ...]:
    """(1, 2, 3) of "1.2.3"."""
    return tuple(map(int, case.split(".")))


def read_cases(folder: Path, said: str) -> list[Case]:
    """Every case of the report in order; RunError if there is none, or fewer than the suite set out
    to run.
    """
    try:
        agents = json.loads((folder / "index.json").read_text())
    except FileNotFoundError:
        raise RunError(f"the suite left no report:\n{said[-2000:]}") from None
    cases = sorted(
        Case(number_of(case), found["behavior"], found["behaviorClose"], found["reportfile"])
        for agent in agents.values()
        for case, found in agent.items()
    )
    wanted = re.search(r"will run (\d+) test cases", said)
    if not cases or (wanted and int(wanted[1]) != len(cases)):
        raise RunError(
            f"{len(cases)} cases of {wanted[1] if wanted else 'those chosen'} were run:\n"
            f"{said[-2000:]}"
        )
    return cases


def column_of(case: Case) -> str:
    """The column where a case is counted: that of the worse of its two verdicts."""
    worst = max(case.behavior, case.behavior_close, key=VERDICTS.index)
    return COLUMN_OF.get(worst, worst)


def plain(text: object) -> str:
    """The suite writes HTML: its words alone, on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", str(text or ""))).split())


def table_lines(cases: Sequence[Case]) -> Iterator[str]:
    """A row per section and one for all."""
    counts: dict[str, Counter[str]] = {}
    for case in cases:
        counts.setdefault(str(case.number[0]), Counter())[column_of(case)] += 1
    counts["all"] = sum(counts.values(), Counter())
    yield f"{'section':<8}" + "".join(f"{head:>15}" for head in COLUMNS)
    for section, count in counts.items():
        yield f"{section:<8}" + "".join(f"{count[column] or '.':>15}" for column in COLUMNS)


def case_lines(case: Case, folder: Path) -> Iterator[str]:
    """What the suite did in a case and what came of it."""
    found = json.loads((folder / case.report).read_text())
    number = ".".join(map(str, case.number))
    yield f"{number}  behavior {case.behavior}, close {case.behavior_close}"
    yield f"    did:    {plain(found.get('description'))}"
    yield f"    wanted: {plain(found.get('expectation'))}"
    yield f"    got:    {plain(found.get('result'))} {plain(found.get('resultClose'))}"
    yield f"    closed: {found.get('remoteCloseCode')} {plain(found.get('remoteCloseReason'))}"


def report_lines(cases: Sequence[Case], folder: Path) -> Iterator[str]:
    """The table, then the cases that want a look."""
    yield from table_lines(cases)
    for case in cases:
        if column_of(case) not in SILENT:
            yield ""
            yield from case_lines(case, folder)


# -- the command -----------------------------------------------------------------------------------


def chosen_cases(cases: str, is_sample: bool, is_compressed: bool) -> tuple[str, ...]:
    """The patterns asked for."""
    if cases:
        return tuple(pattern.strip() for pattern in cases.split(","))
    plain_cases, compressed_cases = (
        (SAMPLE, COMPRESSION_SAMPLE) if is_sample else (SECTIONS, COMPRESSION)
    )
    return plain_cases + (compressed_cases if is_compressed else ())


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options as they were given."""
    parser = argparse.ArgumentParser(description="The Autobahn suite against a WebSocket server.")
    parser.add_argument(
        "--cases", default="", help="patterns with commas between them: '1.*,7.9.1'"
    )
    parser.add_argument(
        "--sample", action="store_true", help="a few dozen telling cases, in under a minute"
    )
    parser.add_argument("--compression", action="store_true", help="sections 12 and 13 too")
    parser.add_argument(
        "--server", default="", help="a command with {port} in it; without it, echo_server.py"
    )
    parser.add_argument("--suite", choices=("autobahn", "kosoku"), default="")
    parser.add_argument(
        "--tls", action="store_true", help="over TLS, which a --server has to speak then"
    )
    parser.add_argument("--report", type=Path, help="keep the suite's reports in this folder")
    parser.add_argument(
        "--time-limit", type=float, default=1800.0, help="for the whole run, in seconds"
    )
    return parser.parse_args(arguments)


def run(options: argparse.Namespace, folder: Path) -> int:
    """One run, printed; its exit status."""
    suite = choose_suite(options.suite)
    wanted = chosen_cases(options.cases, options.sample, options.compression)
    with serving(options.server, options.time_limit, options.tls) as port:
        arguments = suite_arguments(suite, wanted, port, folder, options.tls)
        began = time.monotonic()
        said = run_suite(suite, arguments, folder, options.time_limit)
        took_s = time.monotonic() - began
    cases = read_cases(folder, said)
    print(f"{suite.name}: {len(cases)} cases in {took_s:.0f} s")
    print(*report_lines(cases, folder), sep="\n")
    return 1 if any(column_of(case) in BAD for case in cases) else 0


def main(arguments: Sequence[str]) -> int:
    """The exit status: 0 good, 1 defects, 2 no result.  SIGTERM ends what was started, too."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    options = parse(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="sigil-autobahn-") as temporary:
            folder = options.report.resolve() if options.report else Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            return run(options, folder)
    except RunError as error:
        print(f"no result: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
