"""A deep queue of the whole relay: see bench/queue/measure relay."""

import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from rig import (MANY_CLIENTS, Internet, build, cpu_seconds, load, load_command, make_certificate,  # noqa: E402
                 resident_kib, row, table)
from relay_process import POSTRIDER, Relay  # noqa: E402 (rig has said where it is)
from waiting import let_pass, wait_for  # noqa: E402

SIZE = 4096
MIB = 1 << 20


class DeepQueue:
    """A relay whose queue is filled through SMTP with mail that every host has put off."""

    def __init__(self, folder, messages):
        self.messages, self.domains = messages, max(1, messages // 100)
        self.few = max(50, messages * 3 // 50)  # for what is measured beside the deep queue
        hosts = min(100, self.domains)
        rules = [f"d[{i * self.domains // hosts + 1}-{(i + 1) * self.domains // hosts}].test mx=127.16.0.{i + 1} tls=off"
                 " rcpt=451_4.3.0_not_now" for i in range(hosts)]
        rules += ["taken.test mx=127.17.0.1 tls=off", "late.test mx=127.17.0.2 tls=off dot=hang"]
        self.internet = Internet(folder / "internet", rules)
        (folder / "relay").mkdir(mode=0o755)
        self.relay = Relay(folder / "relay", self.internet, make_certificate(folder), submission=MANY_CLIENTS,
                           delivery={"tls": "none"}, retry={"first_interval": "4h", "interval_max": "4h"})
        self.store = self.relay.data / "queue"

    def close(self):
        if self.relay.running():
            self.relay.kill()
        self.internet.close()

    def submit(self, messages, domains):
        return load(self.relay, "--sessions", 20, "--messages", messages, "--size", SIZE, "--domains", domains)

    def accepted_per_second(self):
        """Mail that is delivered at once, of the median of three loads."""
        return sorted(self.submit(self.few, "taken.test")["per_second"] for _ in range(3))[1]

    def wait_taken(self):
        wait_for("the mail that is taken to be delivered",
                 lambda: self.relay.metrics()["postrider_queue_leases"] == 0, within=120)

    def disk(self):
        """Octets of the store's files, once they have not changed for three seconds."""
        seen, since = -1, time.monotonic()
        while time.monotonic() - since < 3:
            now = int(subprocess.run(["du", "-sB1", self.store], capture_output=True, text=True).stdout.split()[0])
            if now != seen:
                seen, since = now, time.monotonic()
            let_pass(0.2)
        return seen

    def fill(self):
        self.submit(self.messages, f"d[1-{self.domains}].test")
        wait_for("every message to be put off", lambda: self.internet.stats()["replies_4xx"] >= self.messages, within=900)
        self.wait_taken()

    def kill_under_load(self):
        """With mail that is due and was not delivered."""
        with subprocess.Popen(load_command(self.relay, "trusted", "--sessions", 20, "--seconds", 60, "--size", SIZE,
                                           "--domains", "late.test"), stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as sender:
            let_pass(3)
            self.relay.kill()
            sender.kill()
        self.internet.set(["late.test"], "dot=ok")

    def start_cold(self):
        """Seconds until the greeting, and until the first delivery that is due."""
        os.sync()
        pathlib.Path("/proc/sys/vm/drop_caches").write_text("3\n")
        before, began = self.internet.stats()["distinct"], time.monotonic()
        self.relay.spawn()
        self.relay.wait_ready()
        with socket.create_connection(("127.0.0.1", self.relay.ports["trusted"]), timeout=60) as link:
            assert link.recv(4).startswith(b"220 ")
        greeted = time.monotonic() - began
        while self.internet.stats()["distinct"] == before:
            assert time.monotonic() - began < 60, "nothing was delivered"
            let_pass(0.005)
        return greeted, time.monotonic() - began

    def idle_percent(self, seconds):
        let_pass(2 * seconds)  # old files of the journal are compressed meanwhile
        before, began = cpu_seconds(self.relay), time.monotonic()
        let_pass(seconds)
        return (cpu_seconds(self.relay) - before) / (time.monotonic() - began) * 100

    def remove_all(self):
        """Seconds until nothing is left."""
        began = time.monotonic()
        # The tool may be told that it takes longer than it waits.
        subprocess.run([POSTRIDER, "queue", "remove", "--all", "--yes", "--admin", self.relay.admin], check=False,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=600)
        wait_for("the queue to be empty", lambda: self.relay.queued_messages() == 0, within=600)
        return time.monotonic() - began


def figures(deep):
    """(what, figure, at most or at least) in the order in which they can be had."""
    relay = deep.relay
    shallow = deep.accepted_per_second()
    deep.wait_taken()
    before = resident_kib(relay)
    deep.fill()
    yield "octets of disk a message", f"{deep.disk() / deep.messages:,.0f}", "5,500"
    yield "idle, % of a core", f"{deep.idle_percent(20 if deep.messages >= 100_000 else 2):.2f}", "0.2"
    yield "memory it grew by, MiB", f"{(resident_kib(relay) - before) / 1024:.0f}", "150"
    accepted = deep.accepted_per_second()
    yield "accepted/s with an empty queue", f"{shallow:,.0f}", ""
    yield "accepted/s", f"{accepted:,.0f}", ""
    yield "of that with an empty queue", f"{accepted / shallow:.2f}", "0.9 at least"
    deep.wait_taken()
    deep.kill_under_load()
    greeted, delivered = deep.start_cold()
    yield "greeting after kill -9, no file cached, s", f"{greeted:.2f}", "1"
    yield "first delivery that is due, s", f"{delivered:.2f}", "1"
    yield "resident after that start, MiB", f"{resident_kib(relay) / 1024:.0f}", ""
    deep.wait_taken()
    yield "removed by one command, s", f"{deep.remove_all():.0f}", ""
    yield "MiB of disk left behind", f"{deep.disk() / MIB:.0f}", ""


def main():
    messages = int(sys.argv[1])
    build()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="deep-queue."))
    folder.chmod(0o755)
    deep = None
    try:
        deep = DeepQueue(folder, messages)
        deep.relay.start()
        table(f"{messages:,} messages of {SIZE} octets in {deep.domains:,} queues, put off by their hosts", "", "wanted")
        for what, figure, wanted in figures(deep):
            row(what, figure, wanted if messages == 1_000_000 else "")
    finally:
        if deep:
            deep.close()
        shutil.rmtree(folder)


main()
