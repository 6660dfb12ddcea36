"""kill -9 at random moments: whatever got its 250 is delivered, at least once.

The oracle is the list of acknowledged ids, kept outside the relay. POSTRIDER_LONG=1: ten times the kills. SEED=N
repeats the moments of a run.
"""

import collections
import os
import random

import pytest

from acknowledged import Load, check_nothing_lost, read_acknowledged, received_counts
from waiting import let_pass, wait_for

KILLS = 300 if os.environ.get("POSTRIDER_LONG") else 30
DOMAINS = [f"d{number}.test" for number in range(1, 6)]
# From the start of the load to the kill; recovery, first commits, deliveries and deferrals all fall into it.
UP_TO_SECONDS = 0.6
CONNECTIONS_MAX = 10
UNDER_WAY_MAX = CONNECTIONS_MAX * len(DOMAINS)


def kill_loop(relay, internet, directory, seed, kills):
    """Lets a relay be killed again and again under load; returns the files of acknowledged ids."""
    chance = random.Random(seed)
    files = []
    for number in range(kills):
        relay.start()
        files.append(directory / f"ids-{number}")
        load = Load(relay, files[-1], DOMAINS)
        # Most kills fall into work in full swing, some into its first moments.
        if chance.random() < 0.8:
            wait_for("the load to begin", lambda: load.count() > 0 or load.process.poll() is not None)
            assert load.process.poll() is None, load.process.stderr.read()
        let_pass(chance.uniform(0, UP_TO_SECONDS))
        relay.kill()
        load.stop()
    return files


def test_kill_loses_nothing_acknowledged(new_relay, new_internet, directory, seed):
    rules = [f"{domain} mx=@{number}" for number, domain in enumerate(DOMAINS, 1)]
    rules[1] += " rcpt=451_4.7.1_try_later share=0.3"
    rules[2] += " dot=losereply share=0.05"
    rules[3] += " delay=20ms"
    internet = new_internet(*rules, "client.test mx=@9")
    relay = new_relay(internet, start=False, retry={"first_interval": "300ms", "interval_max": "1s"},
                      delivery={"connections_max": CONNECTIONS_MAX})
    files = kill_loop(relay, internet, directory("ids"), seed, KILLS)
    relay.start()
    relay.wait_queue_empty()
    acknowledged, received = read_acknowledged(files), received_counts(internet)
    check_nothing_lost(acknowledged, received)
    # What is delivered once more is what was under way at a kill, or lost its reply; not all that went before.
    repeats = sum(received.values()) - len(received)
    print(f"{len(acknowledged)} acknowledged, {sum(received.values())} received, {repeats} of them again")
    assert repeats <= KILLS * UNDER_WAY_MAX + internet.stats()["faults"]
    # The record in the journal is written before the end of a delivery.
    delivered = {record["id"] for record in relay.journal(event="delivered")}
    assert not set(acknowledged.values()) - delivered


def test_the_check_notices_a_single_loss(relay, internet, directory):
    """The negative control: the same check over a real run, with one delivery struck from the record."""
    load = Load(relay, directory("ids") / "ids", DOMAINS)
    wait_for("some acknowledged mail", lambda: load.count() >= 20)
    load.stop()
    relay.wait_queue_empty()
    # The load's domains are unknown here, so that every message bounces: nothing of it may count as received.
    acknowledged = read_acknowledged([load.file])
    with pytest.raises(AssertionError, match="were lost"):
        check_nothing_lost(acknowledged, received_counts(internet))
    received = collections.Counter(acknowledged)
    check_nothing_lost(acknowledged, received)
    del received[random.choice(list(acknowledged))]
    with pytest.raises(AssertionError, match="1 of .* were lost"):
        check_nothing_lost(acknowledged, received)
    with pytest.raises(AssertionError, match="nothing was acknowledged"):
        check_nothing_lost({}, received)
