"""The oracle of crash and fault tests: ids that got a 250, kept outside the relay, against what mail hosts received."""

import collections
import os
import pathlib
import subprocess

LOAD = pathlib.Path(os.environ["POSTRIDER_BIN_DIR"]) / "bench" / "postrider-load"


def check_nothing_lost(acknowledged, received):
    """acknowledged: ids that got a 250; received: how often each came to its MX host."""
    assert acknowledged, "nothing was acknowledged: the check would prove nothing"
    lost = [sequence for sequence in acknowledged if received[sequence] == 0]
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged messages were lost: {lost[:10]}"


def read_acknowledged(files):
    """X-Sequence by queue id of all complete lines."""
    return {line.split()[1]: line.split()[0] for file in files if file.exists()
            for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")}


def received_counts(internet):
    return collections.Counter(record["sequence"] for record in internet.records())


class Load:
    """postrider-load, which writes each id into a file as soon as its 250 is read."""

    def __init__(self, relay, file, domains, size="512:60,4k:30,200k:10", seconds=60, rate=None):
        self.file = file
        self.process = subprocess.Popen(
            [LOAD, "--to", f"127.0.0.1:{relay.ports['trusted']}", "--sessions", "4", "--seconds", str(seconds),
             "--timeout", f"{2 * seconds + 60}s", "--domains", ",".join(domains), "--size", size, "--run", file.name,
             "--ids", file, "--tolerate", *(["--rate", str(rate)] if rate else [])],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def count(self):
        return self.file.read_bytes().count(b"\n") if self.file.exists() else 0

    def stop(self):
        self.process.kill()
        self.process.communicate()
