"""bench/delivery keeps working: a smoke run of some tables, whose figures are of no interest."""

import pathlib
import re
import subprocess

import pytest

from relay_process import is_instrumented

pytestmark = pytest.mark.skipif(is_instrumented(), reason="an instrumented relay is slow")
DELIVERY = pathlib.Path(__file__).resolve().parents[2] / "bench" / "delivery"


def measured(*arguments):
    """What it prints, in parts that blank lines stood between."""
    done = subprocess.run([DELIVERY, "--quick", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip().split("\n\n")


def figures(table):
    """{first cell: the others as numbers} of each line below the head."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.split("\n")[2:]]
    return {line[0]: [float(cell.replace(",", "")) for cell in line[1:]] for line in lines}


def test_handshakes_are_resumed_where_there_are_tickets_and_a_storm_ends():
    handshakes, storm = measured("handshakes", "storm")
    resumed = {name: line[-1] for name, line in figures(handshakes).items()}
    assert resumed["TLS, the hosts give tickets"] > 0
    assert resumed["TLS, they give none"] == 0
    assert all(figure > 0 for figure in figures(storm)["400"])


def test_a_control_destination_is_measured_with_and_without_hostile_ones():
    table, ratio = measured("control")
    lines = figures(table)
    assert lines["alone"][3] == 0 < lines["beside hostile destinations"][3]
    assert re.fullmatch(r"p99 beside hostile destinations by p99 alone: \d+\.\d\d \(at most 1\.2\)\.", ratio)


def test_wrong_usage():
    done = subprocess.run([DELIVERY, "no-such"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "no table 'no-such'" in done.stderr
