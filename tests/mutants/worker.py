"""A process that tries mutants: `python -m tests.mutants.worker`, for `Worker`.

Theory: what takes long is to start Python and to import what sigil and its tests need of others. So
one process does that once, forgets sigil, and forks for each trial; the child imports the copy of
sigil that has the bug. Whatever a mutant does to its process, the next one does not see it.

Rules: a job is a line of JSON on standard input, its outcome one on standard output, in order. A
trial that takes too long is ended, and counts as caught: a server that hangs is noticed by
everybody. The parent never imports a mutant.
"""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.mutants.mutant import Example, Law, Worlds, copy_sources, plant
from tests.mutants.trial import Outcome, Trial, run_trial
from tests.support.sources import ROOT

KINDS: dict[str, Any] = {kind.__name__: kind for kind in (Worlds, Law, Example)}


class Worker:
    """A process that tries sources, each a file below `sigil/` and its text, one at a time."""

    def __init__(self, patience: float = 300.0) -> None:
        command = [sys.executable, "-m", "tests.mutants.worker", str(patience)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "0"}
        environment.pop("SIGIL_NO_SKIPS", None)  # a law that has had its examples is skipped
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *exception: object) -> None:
        """End the process, which has nothing left to do."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def attempt(self, trial: Trial, file: str = "", text: str = "") -> Outcome:
        """The outcome of a trial of sigil with this text in this file, or as it is."""
        assert self._process.stdin is not None and self._process.stdout is not None
        by = [type(trial.by).__name__, list(trial.by)]
        job = {"file": file, "text": text, "by": by, "count": trial.count}
        print(json.dumps(job), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        assert line, "the process that tries mutants has ended"
        return Outcome(*json.loads(line))


# -- in the process --------------------------------------------------------------------------------


def main() -> None:
    """Do jobs until there are no more."""
    patience = float(sys.argv[1])
    with tempfile.TemporaryDirectory() as name:
        original = copy_sources(Path(name, "original"))
        _import_others(original)
        for line in sys.stdin:
            job = json.loads(line)
            kind, fields = job["by"]
            trial, folder = Trial(KINDS[kind](*fields), job["count"]), original
            with tempfile.TemporaryDirectory(dir=name) as planted:
                if job["file"]:
                    folder = plant(job["file"], job["text"], original, Path(planted))
                outcome = _in_a_child(trial, folder, patience)
            print(json.dumps(outcome), flush=True)


def _import_others(original: Path) -> None:
    """Import all that sigil and its tests need, and forget sigil and its tests."""
    sys.path.insert(0, str(original))
    import sigil.testing.world  # noqa: F401
    import tests.core.connection.test_websocket_oracles
    import tests.core.test_laws
    import tests.world.__main__  # noqa: F401

    for name in list(sys.modules):
        is_ours = name.split(".")[0] in ("sigil", "tests")
        if is_ours and not name.startswith(("tests.mutants", "tests.support.sources")):
            del sys.modules[name]
    sys.modules.pop("tests.support", None)
    sys.path.remove(str(original))


def _in_a_child(trial: Trial, folder: Path, patience: float) -> Outcome:
    """The outcome of a trial of the sigil in this folder, in a process of its own."""
    reader, writer = os.pipe()
    started = time.perf_counter()
    pid = os.fork()
    if not pid:
        os.close(reader)
        _be_child(trial, folder, writer)
    os.close(writer)
    with os.fdopen(reader) as file:
        is_done = bool(select.select([file], [], [], patience)[0])
        if not is_done:
            os.kill(pid, signal.SIGKILL)
        said = file.read()
    os.waitpid(pid, 0)
    seconds = time.perf_counter() - started
    if said:
        return Outcome(*json.loads(said))
    note = "it ended its process" if is_done else f"it did not end in {patience:g} s"
    return Outcome(True, note, 0, seconds)


def _be_child(trial: Trial, folder: Path, writer: int) -> None:
    """Try the sigil in this folder, write the outcome, and end; nothing else is printed."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for descriptor in (1, 2):
            os.dup2(nowhere, descriptor)
        sys.dont_write_bytecode = True
        sys.path.insert(0, str(folder))
        outcome = _tried(trial, folder)
        os.write(writer, json.dumps(outcome).encode())
    finally:
        os._exit(0)


def _tried(trial: Trial, folder: Path) -> Outcome:
    """The outcome of a trial; one that cannot even be imported is caught."""
    try:
        import sigil
    except Exception as error:
        return Outcome(True, f"it cannot be imported: {error}", 0, 0.0)
    assert str(sigil.__file__).startswith(str(folder)), sigil.__file__
    try:
        return run_trial(trial)
    except Exception as error:
        return Outcome(False, "", 0, 0.0, f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
