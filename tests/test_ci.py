"""What `.ci/run` leaves behind: the exit code is that of its last step, whatever it cleans up.

Theory: under `set -e` a command that fails in the trap on EXIT replaces the exit code, so a run in
which all was well may end as a failure.  The line of the trap is taken from the script as it
stands, and put around steps that end in each way.
"""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / ".ci" / "run"
ENDS = {
    "well, and nothing runs in the background": ("true", 0),
    "well, and a job runs in the background": ("sleep 60 &", 0),
    "well, and the jobs in the background have ended": ("true & wait $!", 0),
    "a step fails": ("(exit 3)", 3),
    "a step fails, and a job runs in the background": ("sleep 60 & (exit 3)", 3),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_exit_code_is_that_of_the_last_step(end: str, tmp_path: Path) -> None:
    step, expected = ENDS[end]
    lines = SCRIPT.read_text(encoding="utf-8").splitlines()
    (trap,) = [line for line in lines if line.startswith("trap ")]
    scratch = tmp_path / "scratch"
    program = f"set -euo pipefail\nscratch={scratch}\nmkdir $scratch\n{trap}\n{step}\n"
    done = subprocess.run(["bash", "-c", program], timeout=30, check=False)
    assert done.returncode == expected
    assert not scratch.exists()
