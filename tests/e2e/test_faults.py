"""Calls of the relay's store that fail under load: a 4xx, and nothing lost that got a 250.

Once the fault is over the relay takes mail again by itself, or it has ended and said why; and the next start has
every message. POSTRIDER_LONG=1: five times the rounds.
SEED=N repeats a run.
"""

import errno
import os
import random

import pytest

import under_fault
from acknowledged import read_acknowledged
from preloaded import PRETEND, SYNCS, Faults, name
from waiting import let_pass

ROUNDS = 5 if os.environ.get("POSTRIDER_LONG") else 1
UNDER_FAULT_SECONDS = 0.5  # of load, from the first call that failed
QUEUE = {"disk_reserve": "16MiB", "memtable_size": "1MiB", "log_size_max": "2MiB"}  # files are begun all the time
WRITES = ("write", "pwrite")
NAMES = ("open", "rename")
# The first call that fails is one of so many; of files there are few each second.
FIRST_MAX = {WRITES: 40, SYNCS: 40, NAMES: 8}
# A store that cannot do these takes nothing.
NEEDED = (WRITES, SYNCS)
ONCE, ON = 1, 0  # how many calls fail: one, or all until the fault is over
FAULTS = [(WRITES, errno.EIO, ON), (WRITES, errno.EIO, ONCE), (WRITES, errno.ENOSPC, ON), (WRITES, errno.ENOSPC, ONCE),
          (SYNCS, errno.EIO, ON), (SYNCS, errno.EIO, ONCE), (NAMES, errno.ENOSPC, ON), (NAMES, errno.EIO, ON)]


@pytest.fixture
def relay(queue_relay):
    return queue_relay(**QUEUE)


@pytest.fixture
def faults(relay, directory):
    faults = Faults(directory("faults"), relay.data)
    relay.variables = faults.variables
    return faults


def show(value):
    """The part of a test's name."""
    if isinstance(value, tuple):
        return value[0]
    return {ONCE: "once", ON: "on"}.get(value) or name(value)


def meet_fault(relay, faults, calls, error, first, count=ON):
    """The fault begins under load, and goes on for a while."""
    faults.begin(calls, error, first, count)
    let_pass(10 * UNDER_FAULT_SECONDS, lambda: relay.running() and faults.hits() == 0)
    assert faults.hits() > 0, "no such call was made: the test would prove nothing"
    let_pass(UNDER_FAULT_SECONDS, relay.running)


@pytest.mark.parametrize("number", range(ROUNDS))
@pytest.mark.parametrize(("calls", "error", "count"), FAULTS, ids=show)
def test_a_failing_call_loses_nothing_acknowledged(relay, faults, held_internet, directory, seed, calls, error, count,
                                                   number):
    first = random.Random(f"{seed} {number}").randint(1, FIRST_MAX[calls])
    relay.start()
    file = directory("ids") / "ids"
    load = under_fault.begin_load(relay, file)
    meet_fault(relay, faults, calls, error, first, count)
    acknowledged = {}
    code = under_fault.submit_once(relay, acknowledged)
    load.stop()
    under_fault.check_codes(relay, {code})
    assert code != 250 or count == ONCE or calls not in NEEDED
    faults.end()
    recovered = under_fault.accepts_again(relay, acknowledged)
    acknowledged |= read_acknowledged([file])
    print(f"{under_fault.state(relay, recovered)}; {faults.hits()} calls failed from the {first}. on, then {code}; "
          f"{len(acknowledged)} acknowledged")
    under_fault.end(relay)
    under_fault.check_all_delivered(relay, held_internet, acknowledged)


def test_the_check_notices_writes_that_are_swallowed(relay, faults, held_internet, directory):
    """The negative control: a disk that says it has written, and has not."""
    relay.start()
    file = directory("ids") / "ids"
    load = under_fault.begin_load(relay, file)
    meet_fault(relay, faults, WRITES, PRETEND, 1)
    load.stop()
    faults.end()
    relay.kill()
    with pytest.raises(AssertionError, match="were lost|did not start|was quarantined"):
        under_fault.check_all_delivered(relay, held_internet, read_acknowledged([file]))
