"""bench/submission keeps working: a smoke run, whose figures are of no interest."""

import pathlib
import re
import subprocess

import pytest

from relay_process import is_instrumented

pytestmark = pytest.mark.skipif(is_instrumented(), reason="an instrumented relay is slow")
ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_it_prints_every_table():
    done = subprocess.run([ROOT / "bench" / "submission", "--quick"], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    tables = [block.split("\n") for block in done.stdout.strip().split("\n\n")]
    assert [len(table) - 2 for table in tables[:3]] == [8, 4, 2]
    for table in tables[:3]:
        assert all(float(line.rstrip(" |").rpartition("|")[2]) > 0 for line in table[2:])
    assert re.fullmatch(r"50 idle TLS sessions: \d+\.\d KiB each\.", tables[3][0])


def test_wrong_usage():
    done = subprocess.run([ROOT / "bench" / "submission", "--no-such"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "usage:" in done.stderr
