"""All rounds of a scenario, interleaved, and whether its figures count."""

import os
import subprocess
import time

from comparison import rounds, syncs
from comparison.place import BIN, ROOT
from comparison.scenarios import POSTRIDER, sides

OPEN_LOOP_PART = 0.9  # of the delivered rate that is claimed
TRIES = 3  # of a round that ends too soon


def say(text):
    print(text, flush=True)


def run(work, scenario, extent, with_default, certificate):
    """The result as it is saved."""
    began = time.time()
    names = sides(scenario, with_default)
    say(f"== {scenario.name}: {scenario.what}")
    result = {"scenario": scenario.name, "began": began, "quick": extent.quick,
              "sides": {name: {"rounds": []} for name in names}}
    runner = storm_rounds if scenario.storm else load_rounds
    runner(work, scenario, extent, certificate, result)
    result["problems"] = problems(scenario, extent, result)
    for problem in result["problems"]:
        say(f"   DOES NOT COUNT: {problem}")
    result["seconds"] = time.time() - began
    return result


def interleaved(names, count):
    """Each round in the other order, so that none always comes first."""
    for number in range(count):
        for name in names if number % 2 == 0 else reversed(names):
            yield number, name


def load_rounds(work, scenario, extent, certificate, result):
    counts = {}
    for name, side in result["sides"].items():
        with rounds.setting(work, name, scenario, extent, certificate) as setting:
            side["cpu_by"] = setting.relay.group.how
            side["probe"] = setting.measure(("--seconds", extent.probe_seconds))
            side["system_calls"] = setting.trace(extent.traced_messages)
        counts[name] = rounds.messages_for(name, scenario, extent, side["probe"])
    for number, name in interleaved(list(counts), extent.rounds):
        done = long_round(work, name, scenario, extent, certificate, counts)
        result["sides"][name]["rounds"].append(done)
        say(f"   {number + 1}/{extent.rounds} {name:18} {done['accepted_per_s']:8.0f} accepted/s "
            f"{done['delivered_per_s']:8.0f} delivered/s {done['cpu']:7.3f} CPU s per 1000 "
            f"{done['syncs']:6.0f} syncs per 1000, {done['seconds']:.0f} s")
    claimed = sorted(done["delivered_per_s"] for done in result["sides"][POSTRIDER]["rounds"])
    rate = max(1, int(OPEN_LOOP_PART * claimed[len(claimed) // 2]))
    with rounds.setting(work, POSTRIDER, scenario, extent, certificate) as setting:
        loop = result["sides"][POSTRIDER]["open_loop"] = setting.open_loop(rate, extent.open_loop_seconds)
    say(f"   open loop at {rate}/s for {extent.open_loop_seconds} s: the backlog "
        f"{'did not grow' if loop['held'] else 'GREW'}")


def long_round(work, name, scenario, extent, certificate, counts):
    """A round that lasts long enough: where the relay has become faster than its probe was, one with more messages."""
    for _ in range(TRIES):
        with rounds.setting(work, name, scenario, extent, certificate) as setting:
            done = setting.measure(("--messages", counts[name]))
        if done["seconds"] >= extent.seconds_min:
            break
        counts[name] = round(counts[name] * extent.seconds / done["seconds"])
    return done


def storm_rounds(work, scenario, extent, certificate, result):
    for number, name in interleaved(list(result["sides"]), extent.rounds):
        with rounds.setting(work, name, scenario, extent, certificate) as setting:
            result["sides"][name]["cpu_by"] = setting.relay.group.how
            done = setting.storm(extent)
        result["sides"][name]["rounds"].append(done)
        say(f"   {number + 1}/{extent.rounds} {name:18} {done['attempts_per_s']:8.0f} attempts/s "
            f"{done['cpu_per_1000_attempts']:7.3f} CPU s per 1000 attempts, all delivered "
            f"{done['drained_after_s']:.1f} s after the storm")


def problems(scenario, extent, result):
    """Why the figures do not count; nothing where they do."""
    found = []
    for name, side in result["sides"].items():
        for number, done in enumerate(side["rounds"], 1):
            if done["lost"]:
                found.append(f"{name}, round {number}: {done['lost']} of {done['accepted']} messages were lost")
            if done["duplicates"]:
                found.append(f"{name}, round {number}: {done['duplicates']} messages were delivered twice")
            if done.get("seconds", extent.seconds_min) < extent.seconds_min:
                found.append(f"{name}, round {number}: it took {done['seconds']:.1f} s only")
        found += sync_problems(name, side, scenario)
    for done in result["sides"][POSTRIDER]["rounds"]:
        if not extent.quick and not scenario.storm and done["memtables"] < rounds.FLUSHES:
            found.append(f"postrider: a round with {done['memtables']} flushes of the store only")
    loop = result["sides"][POSTRIDER].get("open_loop")
    if loop and not extent.quick and (not loop["held"] or loop["lost"]):
        found.append(f"postrider: in open loop at {loop['rate']}/s the backlog grew, or mail was lost")
    return found


def sync_problems(name, side, scenario):
    traced = side.get("system_calls")
    if traced is None:
        return  # a storm
    # A sync that had begun when counting did may be in one count alone.
    margin = 2 + traced["syncs_traced"] // 100
    if abs(traced["syncs_traced"] - traced["syncs_seen_by_shim"]) > margin:
        yield f"{name}: {traced['syncs_traced']} syncs were traced, {traced['syncs_seen_by_shim']} passed the shim"
    if traced["past_the_shim"] or traced["synchronous_opens"]:
        yield (f"{name}: it writes past the shim: {traced['past_the_shim']}, "
               f"{traced['synchronous_opens']} files opened with O_DSYNC")
    for number, done in enumerate(side["rounds"], 1):
        counts = done["sync_counts"]
        if syncs.total(counts) == 0:
            yield f"{name}, round {number}: no sync at all: it does not promise what the other does"
        elif scenario.sync_ms and counts["delayed"] == 0:
            yield f"{name}, round {number}: no sync was delayed"
        elif done["ack_us"]["quantiles"]["0.001"] < 1000 * scenario.sync_ms:
            yield f"{name}, round {number}: a 250 came sooner than a sync takes"


def kill_test():
    """Whether this build loses nothing under kill -9: the end-to-end test of that, as it stands."""
    say("== kill -9: tests/e2e/test_kill.py with the same build")
    done = subprocess.run(
        ["/usr/bin/python3", "-m", "pytest", "-q", "-x", "-s", "-p", "no:cacheprovider", "tests/e2e/test_kill.py"],
        cwd=ROOT, env={**os.environ, "POSTRIDER_BIN_DIR": str(BIN), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, timeout=1800)
    lines = [line for line in done.stdout.splitlines() if "acknowledged" in line or "passed" in line]
    say("   " + ("; ".join(lines) if done.returncode == 0 else done.stdout[-2000:]))
    return {"passed": done.returncode == 0, "says": lines}
