"""bench/queue/measure relay keeps working: a small run, whose figures are of no interest."""

import os
import pathlib
import subprocess
import sys

import pytest

from relay_process import is_instrumented, is_root

pytestmark = [pytest.mark.skipif(is_instrumented(), reason="an instrumented relay is slow"),
              pytest.mark.skipif(not is_root(), reason="only root empties the caches")]
RELAY = pathlib.Path(__file__).resolve().parents[2] / "bench" / "queue" / "relay.py"


def test_a_deep_queue_is_filled_killed_started_and_emptied():
    assert "POSTRIDER_BIN_DIR" in os.environ  # it builds nothing then
    done = subprocess.run([sys.executable, RELAY, "500"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.strip().split("\n")[2:]]
    figures = {line[0]: float(line[1].replace(",", "")) for line in lines}
    assert figures["octets of disk a message"] > 4096
    assert figures["accepted/s"] > 0 < figures["first delivery that is due, s"]
    assert figures["MiB of disk left behind"] < 10
