"""The Autobahn suite's fuzzing server against our client: python tests/autobahn/run_client.py

    python tests/autobahn/run_client.py [--cases '1.*,2.*'] [--sample] [--compression]
                                        [--report FOLDER] [--time-limit SECONDS]

Theory: the same suite as that of `run.py`, with the roles exchanged: it serves, and for each
connection it sends something right or wrong, and judges what the client did. The client is
`echo_client.py`. Verdicts, table and exit code are those of `run.py`.

Rules: the original suite only, which needs a Python 2.7 ($PYTHON27, `python2.7`, or pyenv's).
Everything is on 127.0.0.1 and bounded in time; what is started is ended by its pid. It does not
know how the client works.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

if __name__ == "__main__":  # so that it runs as a file
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.autobahn.run import (
    BAD,
    COMPRESSION,
    COMPRESSION_SAMPLE,
    HERE,
    HOST,
    PATIENCE_S,
    REPOSITORY,
    SAMPLE,
    SECTIONS,
    RunError,
    Suite,
    autobahn,
    column_of,
    free_port,
    read_cases,
    report_lines,
    wait_until_it_accepts,
)


@contextmanager
def fuzzing_server(suite: Suite, cases: Sequence[str], folder: Path) -> Iterator[str]:
    """The suite's server with these cases, ended by its pid; yields its URL."""
    port = free_port()
    url = f"ws://{HOST}:{port}"
    spec = {"url": url, "outdir": str(folder), "cases": list(cases), "exclude-cases": []}
    path = folder / "spec.json"
    path.write_text(json.dumps({**spec, "exclude-agent-cases": {}}))
    process = subprocess.Popen(
        (*suite.command, "-m", "fuzzingserver", "-s", str(path), "-u", "0"),
        env={**os.environ, **suite.environment},
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until_it_accepts(process, port)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def run_client(url: str, time_limit_s: float) -> str:
    """What our client printed when it had run all cases."""
    path = os.pathsep.join((str(REPOSITORY), os.environ.get("PYTHONPATH", "")))
    try:
        done = subprocess.run(
            (sys.executable, str(HERE / "echo_client.py"), url),
            env={**os.environ, "PYTHONPATH": path},
            timeout=time_limit_s,
            check=False,
            text=True,
            capture_output=True,
        )
    except subprocess.TimeoutExpired:
        raise RunError(
            f"the client had not ended after {time_limit_s:.0f} s (--time-limit)"
        ) from None
    if done.returncode:
        raise RunError(f"the client ended with {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def chosen(options: argparse.Namespace) -> Sequence[str]:
    """The cases that these options ask for."""
    if options.cases:
        return tuple(options.cases.split(","))
    plain, compressed = (SAMPLE, COMPRESSION_SAMPLE) if options.sample else (SECTIONS, COMPRESSION)
    return (*plain, *compressed) if options.compression else plain


def judge(options: argparse.Namespace, folder: Path) -> int:
    """Runs the cases and prints the table; 1 if anything is bad."""
    suite = autobahn()
    with fuzzing_server(suite, chosen(options), folder) as url:
        said = run_client(url, options.time_limit)
    cases = read_cases(folder, said)
    print("\n".join(report_lines(cases, folder)))
    return int(any(column_of(case) in BAD for case in cases))


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cases", default="")
    parser.add_argument("--sample", action="store_true")
    parser.add_argument("--compression", action="store_true")
    parser.add_argument("--report", type=Path)
    parser.add_argument("--time-limit", type=float, default=3_600.0)
    options = parser.parse_args(arguments)
    try:
        if options.report is not None:
            options.report.mkdir(parents=True, exist_ok=True)
            return judge(options, options.report)
        with tempfile.TemporaryDirectory() as folder:
            return judge(options, Path(folder))
    except RunError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
