"""The processes of one relay, however many there are and whenever they end: their CPU time and memory.

A control group tells best; v2 has cpu.stat in every group, whether or not a controller is there. Where neither v2 nor
the cpuacct controller of v1 can be used, the process tree is added up: what a process that is no child of the tree's
own has used is then missing.
"""

import os
import pathlib
import time

TICKS = os.sysconf("SC_CLK_TCK")


def mounts(kind, option=None):
    """(root within the hierarchy, where it is mounted) of each mount of file system `kind`."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        front, _, back = line.partition(" - ")
        root, point = front.split()[3:5]
        words = back.split()
        if words[0] == kind and (option is None or option in words[2].split(",")):
            yield pathlib.Path(root), pathlib.Path(point)


def own_group(kind, controller):
    """The folder of this process' own group; None where there is none to be seen."""
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if (number == "0" and kind == "cgroup2") or (controller and controller in controllers.split(",")):
            for root, point in mounts(kind, controller):
                if pathlib.Path(path).is_relative_to(root):
                    yield point, point / pathlib.Path(path).relative_to(root)


class ControlGroup:
    def __init__(self, name, kind, controller, how):
        self.how = how
        for self.mount, parent in own_group(kind, controller):
            self.folder = parent / f"postrider-{os.getpid()}-{name}"
            self.folder.mkdir()
            self.cpu()  # an error here: this kind cannot be used
            return
        raise OSError(f"no {kind}")

    def enter(self):
        """To be put before a command, which then runs in the group."""
        return ("sh", "-c", 'echo $$ >"$0" && exec "$@"', str(self.folder / "cgroup.procs"))

    def began(self, process):
        """`process` was started with enter() before its command."""

    def processes(self):
        return [int(number) for number in (self.folder / "cgroup.procs").read_text().split()]

    def close(self):
        for _ in range(250):  # the kernel lets processes that have ended go a little later
            try:
                return self.folder.rmdir()
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"processes are left in {self.folder}: {self.processes()}")


class GroupV2(ControlGroup):
    def __init__(self, name):
        super().__init__(name, "cgroup2", None, "cgroup v2 cpu.stat")

    def cpu(self):
        """(user, system) seconds so far."""
        fields = dict(line.split() for line in (self.folder / "cpu.stat").read_text().splitlines())
        return int(fields["user_usec"]) / 1e6, int(fields["system_usec"]) / 1e6

    def perf_name(self):
        """The group as perf calls it."""
        return str(self.folder.relative_to(self.mount))


class GroupV1(ControlGroup):
    perf_name = None

    def __init__(self, name):
        super().__init__(name, "cgroup", "cpuacct", "cgroup v1 cpuacct")

    def cpu(self):
        return tuple(int((self.folder / f"cpuacct.usage_{part}").read_text()) / 1e9 for part in ("user", "sys"))


class ProcessTree:
    how = "sum over the process tree in /proc"
    perf_name = None

    def __init__(self, name):
        self.first = None

    def enter(self):
        return ()

    def began(self, process):
        self.first = process.pid

    def stats(self):
        """The fields of /proc/PID/stat behind the name, by process, of the first process and all below it."""
        all_stats = {}
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                all_stats[int(entry.name)] = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it has ended
        tree = {self.first}
        while more := {pid for pid, fields in all_stats.items() if int(fields[1]) in tree} - tree:
            tree |= more
        return {pid: all_stats[pid] for pid in tree if pid in all_stats}

    def processes(self):
        return list(self.stats())

    def cpu(self):
        times = [[int(field) / TICKS for field in fields[11:15]] for fields in self.stats().values()]
        return sum(t[0] + t[2] for t in times), sum(t[1] + t[3] for t in times)

    def close(self):
        pass


def new_group(name):
    for kind in (GroupV2, GroupV1):
        try:
            return kind(name)
        except (OSError, KeyError):
            continue
    return ProcessTree(name)


def summed_pss(processes):
    """The processes' memory in MiB, shared pages divided among those that share them."""
    total = 0
    for process in processes:
        try:
            for line in pathlib.Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        except OSError:
            continue  # it has ended
    return total / 1024
