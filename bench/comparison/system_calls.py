"""System calls of a relay's processes over a short load of its own.

perf counts them at nearly full speed, where the processes are in a control group that it knows; otherwise strace does,
which makes every call several times as slow, so that more messages share a commit than usual.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

from waiting import wait_for

from comparison.place import TRACING

SYNCS = ("fsync", "fdatasync", "sync", "syncfs", "msync", "sync_file_range")
# Other ways to the disk, which nobody here counts: a relay that used them could not be compared.
PAST_THE_SHIM = ("io_uring_enter", "io_submit")


class Perf:
    how = "perf (trace points, at nearly full speed)"
    ALL = "raw_syscalls:sys_enter"

    def __init__(self, group):
        self.output = tempfile.NamedTemporaryFile("r", prefix="postrider-perf-")
        events = ",".join([self.ALL, *(f"syscalls:sys_enter_{name}" for name in (*SYNCS, *PAST_THE_SHIM))])
        self.process = subprocess.Popen(
            ["perf", "stat", "-x", ",", "-o", self.output.name, "-a", "-e", events, "--for-each-cgroup",
             group.perf_name(), "sleep", "600"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        wait_for("perf to count", self.counting)

    def counting(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"perf: {self.process.stderr.read().decode()}")
        # It counts from when it has started its command, to the end of it.
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.command = int(children[0]) if children else None
        return self.command is not None and pathlib.Path(f"/proc/{self.command}/comm").read_text() == "sleep\n"

    def end(self):
        """Calls by name; "" is all of them."""
        os.kill(self.command, signal.SIGTERM)
        self.process.communicate(timeout=60)
        calls = {}
        for line in self.output.read().splitlines():
            words = line.split(",")
            if len(words) > 2:
                name = "" if words[2] == self.ALL else words[2].rpartition("sys_enter_")[2]
                calls[name] = calls.get(name, 0) + int(words[0])
        return calls


class Strace:
    how = "strace -c -f (which slows the relay down)"

    def __init__(self, group):
        self.output = tempfile.NamedTemporaryFile("r", prefix="postrider-strace-")
        attach = [word for process in group.processes() for word in ("-p", str(process))]
        self.process = subprocess.Popen(["strace", "-c", "-f", "-o", self.output.name, *attach],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("strace to follow", lambda: all(self.traced(process) for process in group.processes()))

    def traced(self, process):
        tracer = re.search(r"^TracerPid:\s*(\d+)$", pathlib.Path(f"/proc/{process}/status").read_text(), re.M)
        return int(tracer[1]) == self.process.pid

    def end(self):
        """Calls by name; "" is all of them."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=60)
        calls = {}
        for line in self.output.read().splitlines():
            words = line.split()
            if len(words) >= 5 and re.fullmatch(r"[\d.]+", words[0]):
                calls["" if words[-1] == "total" else words[-1]] = int(words[3])
        return calls


def counter(group):
    perf = group.perf_name and shutil.which("perf") and (TRACING / "events/raw_syscalls/sys_enter").is_dir()
    return Perf if perf else Strace
