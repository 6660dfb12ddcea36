"""Power loss at random moments: whatever got its 250 is delivered, or in the queue, of the disk that is left.

POSTRIDER_LONG=1: twenty times the losses. SEED=N repeats the moments of a run.
"""

import os
import random

import pytest

from acknowledged import read_acknowledged
from preloaded import PRETEND, SYNCS, Faults
from relay_process import is_root
from under_fault import begin_load, check_all_delivered, hold
from waiting import let_pass

ROUNDS = 20 if os.environ.get("POSTRIDER_LONG") else 1
LOSSES = 3  # in a round, after which all mail leaves: what is held would fill the disk
UP_TO_SECONDS = 1.0  # from the first 250 to the loss

pytestmark = pytest.mark.skipif(not is_root(), reason="only root can mount a disk")


@pytest.fixture
def relay(disk, queue_relay):  # after the disk: stopped before it goes
    return queue_relay(disk.data, disk_reserve="16MiB")


def lose_power_under_load(relay, disk, file, chance):
    load = begin_load(relay, file)
    let_pass(chance.uniform(0, UP_TO_SECONDS))
    disk.lose_power(relay)
    load.stop()


def test_a_power_loss_loses_nothing_acknowledged(relay, disk, held_internet, directory, seed):
    chance = random.Random(seed)
    for turn in range(ROUNDS):
        files = [directory("ids") / f"ids-{turn}-{number}" for number in range(LOSSES)]
        for file in files:
            relay.start()
            lose_power_under_load(relay, disk, file, chance)
        acknowledged = read_acknowledged(files)
        print(f"{len(acknowledged)} acknowledged, {LOSSES} losses of power")
        check_all_delivered(relay, held_internet, acknowledged)
        relay.stop()
        hold(held_internet)


def test_the_check_notices_a_sync_that_is_swallowed(relay, disk, held_internet, directory, seed):
    """The negative control: a disk that only says it has synced."""
    faults = Faults(directory("faults"), disk.data)
    relay.start()  # the queue's files are there, and whole
    relay.stop()
    relay.variables = faults.variables
    faults.begin(SYNCS, PRETEND)
    relay.start()
    file = directory("ids") / "ids"
    lose_power_under_load(relay, disk, file, random.Random(seed))
    assert faults.hits() > 0
    faults.end()
    with pytest.raises(AssertionError, match="were lost|did not start"):
        check_all_delivered(relay, held_internet, read_acknowledged([file]))
