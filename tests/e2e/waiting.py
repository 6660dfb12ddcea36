"""Waiting for conditions, bounded, and looking at what grows meanwhile. No test waits for time alone."""

import json
import time

POLL = 0.02  # seconds between two looks
# Ten times what the slowest condition takes in a sanitizer build on a busy machine.
WITHIN = 60.0


def wait_for(what, condition, within=WITHIN):
    """Returns the first true value of condition(); fails, naming `what`, where none comes in time."""
    deadline = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {within:.0f} s in vain for {what}")
        time.sleep(POLL)


def let_pass(seconds, going_on=lambda: True):
    """Time that is itself an input: a delay in a dialog, load that goes on for a while. Less, once going_on() is false."""
    deadline = time.monotonic() + seconds
    while going_on() and time.monotonic() < deadline:
        time.sleep(POLL)


def json_lines(file):
    """The records in a file of JSON lines that another process may be writing.

    Read at once: read line by line, its end gives half a line, and after that the other half looks like a whole one.
    """
    lines = file.read_bytes().decode(errors="replace").split("\n")
    return [json.loads(line) for line in lines[:-1]]
