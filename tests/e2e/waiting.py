"""Waiting for conditions, bounded. No test waits for time alone."""

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
