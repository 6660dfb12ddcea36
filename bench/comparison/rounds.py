"""One relay under one load: what came of it, and what it took."""

import contextlib
import dataclasses
import statistics
import threading
import time

from waiting import POLL, wait_for

from comparison import syncs, system_calls, tools
from comparison.group import summed_pss
from comparison.place import round_folder
from comparison.postfix import Postfix
from comparison.postrider import Postrider
from comparison.scenarios import POSTRIDER

STALL = 60  # seconds without a delivery: what is missing then counts as lost
SETTLE = 0.5  # seconds behind the last delivery whose work still counts: records of it, a late sync
LOOK = 0.2  # seconds between two looks at logs
LOOKS_A_MEMORY = 10  # looks between two at the memory, which take longer
STORM_MESSAGES = 10_000
MEMTABLE = 32 << 20  # octets: the default of queue.memtable_size
OVERHEAD = 600  # octets that a message is more in the store, at least
FLUSHES = 4  # of the store at least, in a round


@dataclasses.dataclass(frozen=True)
class Extent:
    """How much is done; `rounds` of about `seconds` each."""
    rounds: int = 5
    seconds: float = 22
    seconds_min: float = 20
    probe_seconds: int = 3
    open_loop_seconds: int = 60
    traced_messages: int = 1000
    storm_seconds: float = 20
    backlog_part: float = 1.0  # of the scenario's backlog
    quick: bool = False


QUICK = Extent(rounds=1, seconds=2, seconds_min=0, probe_seconds=1, open_loop_seconds=3, traced_messages=100,
               storm_seconds=5, backlog_part=0.02, quick=True)


class Watch(threading.Thread):
    """Looks at a relay while it works: its memory, how many processes, how often its store began a log."""

    def __init__(self, relay):
        super().__init__(daemon=True)
        self.relay, self.stopped = relay, threading.Event()
        self.pss, self.processes, self.logs = 0.0, 0, set()
        self.start()

    def run(self):
        looks = 0
        while True:
            self.logs |= self.relay.write_ahead_logs()
            if looks % LOOKS_A_MEMORY == 0:
                self.look_at_memory()
            looks += 1
            if self.stopped.wait(LOOK):
                return

    def look_at_memory(self):
        processes = self.relay.group.processes()
        self.pss = max(self.pss, summed_pss(processes))
        self.processes = max(self.processes, len(processes))

    def end(self):
        self.stopped.set()
        self.join()
        self.look_at_memory()


class Setting:
    """A relay and the simulated internet behind it, warmed up."""

    def __init__(self, simulation, relay, scenario):
        self.simulation, self.relay, self.scenario = simulation, relay, scenario

    def wait_delivered(self, count):
        """When `count` had arrived, or nothing more did; and how many had."""
        best, progress = -1, time.monotonic()
        while True:
            delivered = self.simulation.delivered()
            now = time.monotonic()
            if delivered >= count:
                return now, delivered
            if delivered > best:
                best, progress = delivered, now
            if now - progress > STALL:
                return now, delivered
            if not self.relay.running():
                raise RuntimeError(f"{self.relay.name} has ended:\n{self.relay.log()[-4000:]}")
            time.sleep(POLL)

    def warm_up(self):
        """Its processes run, its connections stand, its caches know the domains."""
        count = max(200, 2 * self.scenario.sessions, 2 * self.scenario.domains)
        tools.Load(self.scenario, "--messages", count).result()
        _, delivered = self.wait_delivered(count)
        if delivered != count:
            raise RuntimeError(f"{self.relay.name}: {count - delivered} of {count} messages did not arrive:\n"
                               f"{self.relay.log()[-4000:]}")

    def fill(self, count):
        """Mail that stays: each message was tried once and put off."""
        tools.Load(self.scenario, "--messages", count, to_domains=tools.HELD).result()
        wait_for(f"{count} messages to be put off", lambda: self.simulation.stats()["faults"] >= count, within=600)

    def measure(self, extent):
        """Runs a load (`extent`: postrider-load's options), waits until all is delivered, and tells what it took."""
        before = self.simulation.stats()
        cpu, shim, sim_cpu = self.relay.group.cpu(), self.relay.shim.counts(), self.simulation.cpu()
        watch = Watch(self.relay)
        load = tools.Load(self.scenario, *extent).result()
        accepted_at = time.monotonic()
        backlog = load["accepted"] - (self.simulation.delivered() - before["distinct"])
        ended, delivered = self.wait_delivered(before["distinct"] + load["accepted"])
        watch.end()
        time.sleep(SETTLE)
        after = self.simulation.stats()
        cpu = [late - early for early, late in zip(cpu, self.relay.group.cpu())]
        shim = {name: count - shim[name] for name, count in self.relay.shim.counts().items()}
        seconds = max(load["seconds"], ended - (accepted_at - load["seconds"]))
        per_thousand = 1000 / max(1, load["accepted"])
        return {
            "accepted": load["accepted"], "seconds": seconds,
            "delivered": delivered - before["distinct"], "lost": before["distinct"] + load["accepted"] - delivered,
            "duplicates": after["duplicates"] - before["duplicates"],
            "accepted_per_s": load["per_second"], "delivered_per_s": load["accepted"] / seconds,
            "backlog_at_last_250": backlog,
            "cpu": sum(cpu) * per_thousand, "cpu_user": cpu[0] * per_thousand, "cpu_system": cpu[1] * per_thousand,
            "pss_mib": watch.pss, "processes": watch.processes, "memtables": max(0, len(watch.logs) - 1),
            "syncs": syncs.total(shim) * per_thousand, "sync_counts": shim,
            "ack_us": load["ack_us"], "connections_out": after["connections"] - before["connections"],
            "handshakes_out": sum(after[name] - before[name] for name in ("handshakes_full", "handshakes_resumed")),
            "load_cpu": (load["cpu_user"] + load["cpu_system"]) * per_thousand,
            "sim_cpu": (self.simulation.cpu() - sim_cpu) * per_thousand,
        }

    def storm(self, extent):
        """Everything is put off for a while, then taken: what an attempt takes, and that none is lost."""
        every = tools.domains(self.scenario)
        self.simulation.set(f"{every} rcpt=451_4.2.1_later")
        start = self.simulation.delivered()
        load = tools.Load(self.scenario, "--messages", round(STORM_MESSAGES * extent.backlog_part)).result()
        before, cpu, began = self.simulation.stats(), self.relay.group.cpu(), time.monotonic()
        time.sleep(extent.storm_seconds)
        after, cpu_after, ended = self.simulation.stats(), self.relay.group.cpu(), time.monotonic()
        self.simulation.set(f"{every} rcpt=ok")
        drained, delivered = self.wait_delivered(start + load["accepted"])
        attempts = after["faults"] - before["faults"]
        return {"accepted": load["accepted"], "lost": start + load["accepted"] - delivered,
                "duplicates": self.simulation.stats()["duplicates"], "attempts_per_s": attempts / (ended - began),
                "cpu_per_1000_attempts": (sum(cpu_after) - sum(cpu)) * 1000 / max(1, attempts),
                "drained_after_s": drained - ended, "accepted_per_s": load["per_second"], "ack_us": load["ack_us"]}

    def trace(self, messages):
        """System calls a message, and whether a sync went around the shim."""
        counting = system_calls.counter(self.relay.group)
        shim = self.relay.shim.counts()
        before = self.simulation.delivered()
        tracer = counting(self.relay.group)
        tools.Load(self.scenario, "--messages", messages).result()
        self.wait_delivered(before + messages)
        time.sleep(SETTLE)
        calls = tracer.end()
        seen = syncs.total(self.relay.shim.counts()) - syncs.total(shim)
        traced = sum(calls.get(name, 0) for name in system_calls.SYNCS)
        return {"how": counting.how, "messages": messages, "per_message": calls.get("", 0) / messages,
                "syncs_traced": traced, "syncs_seen_by_shim": seen,
                "past_the_shim": {name: calls[name] for name in system_calls.PAST_THE_SHIM if calls.get(name)},
                "synchronous_opens": self.relay.shim.counts()["synchronous_opens"]}

    def open_loop(self, rate, seconds):
        """Messages fall due evenly, whatever the relay does; `backlog`: those due and not delivered, each second."""
        start = self.simulation.delivered()
        load = tools.Load(self.scenario, "--rate", rate, "--seconds", seconds)
        wait_for("the first delivery", lambda: self.simulation.delivered() > start or not load.running())
        began, backlog = time.monotonic(), []
        while load.running() and len(backlog) < seconds - 1:
            time.sleep(1)
            due = rate * (time.monotonic() - began)
            backlog.append(round(due - (self.simulation.delivered() - start)))
        result = load.result()
        _, delivered = self.wait_delivered(start + result["accepted"])
        return {"rate": rate, "seconds": seconds, "backlog": backlog, "not_begun": result["behind"],
                "lost": start + result["accepted"] - delivered, "ack_us": result["ack_us"],
                "message_us": result["message_us"], "held": held(rate, backlog, result["behind"])}


def held(rate, backlog, not_begun):
    """Whether the backlog did not grow: its mean in the last third is that in the second, to a quarter of a second."""
    third = max(1, len(backlog) // 3)
    if len(backlog) < 2:
        return False
    growth = statistics.mean(backlog[-third:]) - statistics.mean(backlog[-2 * third:-third] or backlog[:1])
    return growth <= rate / 4 and not_begun <= rate / 4


@contextlib.contextmanager
def setting(work, name, scenario, extent, certificate):
    with round_folder(work) as folder, contextlib.ExitStack() as stack:
        simulation = tools.Simulation(folder, scenario)
        stack.callback(simulation.close)
        relay = (Postrider(folder, scenario, certificate) if name == POSTRIDER else
                 Postfix(name, folder, scenario, certificate))
        stack.callback(relay.close)
        made = Setting(simulation, relay, scenario)
        made.warm_up()
        if scenario.backlog:
            made.fill(round(scenario.backlog * extent.backlog_part))
        yield made


def messages_for(name, scenario, extent, probe):
    """So many that the relay works for the wanted time, and its store flushes often enough."""
    count = extent.seconds * probe["delivered_per_s"]
    if name == POSTRIDER and not extent.quick:
        count = max(count, (FLUSHES + 0.5) * MEMTABLE / (scenario.size + OVERHEAD))
    return max(scenario.sessions, round(count))
