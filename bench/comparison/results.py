"""What was measured, in files: one a scenario, in a folder of this commit and this machine."""

import hashlib
import json
import os
import pathlib
import platform
import subprocess

from comparison.place import ROOT

# What the command itself writes does not make another version of the sources.
WRITTEN = (":!bench/REPORT.md", ":!bench/plots")


def git(*arguments):
    done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, timeout=60)
    return done.stdout.strip() if done.returncode == 0 else ""


def commit():
    """The commit of the sources; with a "+" and what tells the changes apart where there are any."""
    changes = git("diff", "HEAD", "--", ".", *WRITTEN)
    mark = "+" + hashlib.sha256(changes.encode()).hexdigest()[:6] if changes else ""
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + mark


def machine(folder):
    def field(file, name):
        for line in pathlib.Path(file).read_text().splitlines():
            if line.startswith(name):
                return line.partition(":")[2].strip()
        return "unknown"

    def disk():
        done = subprocess.run(["findmnt", "-n", "-o", "FSTYPE,SOURCE", "--target", folder],
                              capture_output=True, text=True, timeout=60)
        return " on ".join(done.stdout.split("\n")[0].split()[:2]) or "unknown"
    memory = int(field("/proc/meminfo", "MemTotal").split()[0]) / (1 << 20)
    return {"processor": field("/proc/cpuinfo", "model name"), "cores": os.cpu_count(), "memory": f"{memory:.0f} GiB",
            "kernel": platform.release(), "disk": disk()}


def digest(value):
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]


class Store:
    def __init__(self, folder, quick):
        folder.mkdir(parents=True, exist_ok=True)
        self.commit, self.machine, self.quick = commit(), machine(folder), quick
        self.folder = folder / "results" / f"{self.commit}-{digest(self.machine)}{'-quick' if quick else ''}"
        self.folder.mkdir(parents=True, exist_ok=True)

    def load(self, name):
        """A saved result; None where there is none."""
        file = self.folder / f"{name}.json"
        return json.loads(file.read_text()) if file.exists() else None

    def save(self, name, result):
        new = self.folder / f"{name}.json.new"
        new.write_text(json.dumps(result, indent=1))
        new.rename(self.folder / f"{name}.json")
