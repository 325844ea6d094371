"""A sample of the Autobahn suite as a test: a few dozen cases against the echo server, by `run.py`.

Theory: the instrument judges; here it is only asked. Its table is read, so that a run that judged
nothing is no pass. Cases that are known to differ stand in `KNOWN`, each with its reason; one that
is mended must leave the list.

Rules: skipped if the suite cannot be had, because there is no network or no Python for it. It does
not know the cases.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.autobahn.run import COMPRESSION, COMPRESSION_SAMPLE, SAMPLE, SECTIONS

HERE = Path(__file__).resolve().parent
TIME_LIMIT_S = 240.0
"""Many times what it takes: a noisy machine is no finding."""
EVO_CASES = ("1.1.6", "1.2.8", "2.10", "5.19", "7.7.1", "9.1.6")
"""What a face may do wrong of its own: text, binary and large messages, and the end. Both servers
are the same but for that.
"""
TLS_CASES = ("1.1.6", "1.1.8", "2.6", "2.10", "5.19", "7.1.4", "7.3.1", "7.7.1", "9.1.6")
"""What TLS may do wrong: octet by octet, what is large, and the end."""
CLIENT_CASES = ("1.1.6", "1.2.8", "2.10", "3.2", "4.1.3", "5.15", "5.19", "6.2.3", "7.9.5")
"""What a client may do wrong: answer before an end, fail in time, and take every form of a message.
"""
KNOWN: dict[str, str] = {}


def run(*arguments: str, program: str = "run.py") -> subprocess.CompletedProcess[str]:
    """The instrument's run, or a skip if the suite cannot be had."""
    command = (sys.executable, str(HERE / program), "--time-limit", str(TIME_LIMIT_S), *arguments)
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode == 2 and re.search(
        "pip|No matching distribution|no Python 2.7", done.stderr
    ):
        pytest.skip("the suite cannot be installed here")
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done


def test_the_sample_is_good_but_for_what_is_known() -> None:
    done = run("--sample", "--compression")
    judged = re.search(r"^\w+: (\d+) cases", done.stdout, re.MULTILINE)
    assert judged is not None
    assert int(judged[1]) == len(SAMPLE + COMPRESSION_SAMPLE)
    assert set(re.findall(r"^([\d.]+)  behavior", done.stdout, re.MULTILINE)) == KNOWN.keys(), (
        done.stdout
    )


def test_the_echo_mode_of_the_evo_runtime_is_as_good() -> None:
    server = f"{sys.executable} -m tests.autobahn.evo_server {{port}} {TIME_LIMIT_S:.0f}"
    done = run("--cases", ",".join(EVO_CASES), "--server", server)
    judged = re.search(r"^\w+: (\d+) cases", done.stdout, re.MULTILINE)
    assert judged is not None and int(judged[1]) == len(EVO_CASES)
    assert done.returncode == 0, done.stdout


def test_over_tls_it_is_as_good() -> None:
    done = run("--tls", "--suite", "autobahn", "--cases", ",".join(TLS_CASES))
    judged = re.search(r"^\w+: (\d+) cases", done.stdout, re.MULTILINE)
    assert judged is not None and int(judged[1]) == len(TLS_CASES), done.stdout
    assert done.returncode == 0, done.stdout


def test_our_client_is_as_good() -> None:
    done = run("--cases", ",".join(CLIENT_CASES), program="run_client.py")
    judged = re.search(r"^all +(\d+) ", done.stdout, re.MULTILINE)
    assert judged is not None and int(judged[1]) == len(CLIENT_CASES), done.stdout
    assert done.returncode == 0, done.stdout


def test_the_sample_is_of_every_section() -> None:
    assert {case.partition(".")[0] for case in SAMPLE + COMPRESSION_SAMPLE} == {
        section.partition(".")[0] for section in SECTIONS + COMPRESSION
    }
    assert KNOWN.keys() <= set(SAMPLE)
