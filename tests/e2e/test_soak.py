"""Mixed mail at a steady rate for a long time: nothing is lost, nothing comes twice without cause, and nothing grows.

A soak of ten minutes: POSTRIDER_LONG=1 tests/run e2e_soak. Without POSTRIDER_LONG it lasts fifteen seconds.
"""

import os
import pathlib
import signal

from acknowledged import Load, check_nothing_lost, read_acknowledged, received_counts
from relay_process import is_instrumented
from waiting import let_pass, wait_for

SECONDS = 600 if os.environ.get("POSTRIDER_LONG") else 15
LOOKS = 15  # in this time
RATE = 100  # messages a second; an instrumented relay keeps up
GROWTH_MAX_KIB = 32 << 10  # beyond the first third, in which pools and memtables fill
RULES = ("good.test mx=@1", "later.test mx=@2 rcpt=451_4.7.1_later share=0.3", "slow.test mx=@3 delay=20ms",
         "gone.test mx=@4 dot=close share=0.1", "plain.test mx=@5 tls=off", "full.test mx=@6 connections=2",
         "short.test mx=@7 messages-per-connection=5", "client.test mx=@9")
DOMAINS = [rule.split()[0] for rule in RULES[:-1]]

class Look:
    """What a relay has of the machine."""

    def __init__(self, relay):
        process = pathlib.Path(f"/proc/{relay.process.pid}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        self.kib = int(status["VmRSS"].split()[0])
        self.threads = int(status["Threads"])
        self.descriptors = len(list((process / "fd").iterdir()))

    def __repr__(self):
        return f"{self.kib >> 10} MiB, {self.threads} threads, {self.descriptors} descriptors"


def watch(relay):
    looks = []
    for _ in range(LOOKS):
        let_pass(SECONDS / LOOKS)
        relay.process.send_signal(signal.SIGHUP)  # everything that can be read again is
        looks.append(Look(relay))
    print(*looks, sep="\n")
    return looks


def test_nothing_is_lost_and_nothing_grows(new_relay, new_internet, directory):
    internet = new_internet(*RULES)
    relay = new_relay(internet, retry={"first_interval": "300ms", "interval_max": "5s"},
                      delivery={"idle_timeout": "5s"})
    load = Load(relay, directory("ids") / "soak", DOMAINS, seconds=SECONDS, rate=RATE)
    looks = watch(relay)
    load.process.wait()
    relay.wait_queue_empty()
    acknowledged, received = read_acknowledged([load.file]), received_counts(internet)
    print(f"{len(acknowledged)} acknowledged in {SECONDS} s")
    assert len(acknowledged) > SECONDS * RATE / 2
    check_nothing_lost(acknowledged, received)
    assert sum(received.values()) == len(acknowledged), "mail came twice, and no host kept its reply back"
    settled = looks[LOOKS // 3:]
    assert is_instrumented() or settled[-1].kib - settled[0].kib <= GROWTH_MAX_KIB
    assert len({look.threads for look in settled}) == 1
    wait_for("its connections to be closed", lambda: Look(relay).descriptors < looks[0].descriptors)
