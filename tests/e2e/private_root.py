"""A private root: a server's processes see a file system of their own, and end all together.

The programs are those of the system with the files of an unpacked package above them; /etc and /var begin empty but
for the package's files and what the test writes; /shared is a folder of the test. Everything else is in memory and
goes with the last process. The network is the system's.
"""

import functools
import os
import pathlib
import signal
import subprocess
import tempfile

from waiting import wait_for

SCRIPT = pathlib.Path(__file__).with_suffix(".sh")
PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
MOUNTS = pathlib.Path("/proc/self/mountinfo")


def is_mounted(place):
    return any(line.split()[4] == str(place) for line in MOUNTS.read_text().splitlines())


def propagation():
    """For unshare: mounts are to stay unseen outside.

    In a chroot on a folder that is no mount the propagation cannot be changed; missing() sees what it is.
    """
    return "--propagation", "private" if is_mounted("/") else "unchanged"


@functools.lru_cache
def alone():
    """What runs a command in mount and process namespaces of its own.

    setpriv and --kill-child: the end of the test process, however it comes, ends unshare, which ends the first process
    inside, with which the kernel ends all others of its process namespace.
    """
    return "setpriv", "--pdeathsig", "KILL", "unshare", "--mount", *propagation(), "--pid", "--fork", "--kill-child"


@functools.lru_cache
def missing():
    """Why no private root can be made here, None where it can."""
    if os.geteuid() != 0:
        return "mount namespaces need root"
    with tempfile.TemporaryDirectory(prefix="postrider-e2e-") as place:
        done = subprocess.run([*alone(), "sh", "-c", f"mount -t tmpfs none {place} && mkdir {place}/p {place}/o && "
                               f"mount -t proc none {place}/p && "
                               f"mount -t overlay -o ro,lowerdir=/usr/lib:/usr/bin none {place}/o"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        if is_mounted(place):
            subprocess.run(["umount", "--recursive", place], check=True)
            return "what is mounted in a namespace of its own is seen outside"
        return None if done.returncode == 0 else f"no private mounts: {done.stderr.strip()}"


class PrivateRoot:
    """`files` (path inside: text) are written before the command runs as the first process inside; what it is started by
    may stand `before`."""

    def __init__(self, directory, package, files, command, before=()):
        root = directory / "root"
        root.mkdir()
        self.shared = directory / "shared"
        self.log_file = directory / "server.log"
        self.number = None
        self.write(files)
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                [*before, *alone(), "env", "-i", PATH, "sh", SCRIPT, root, package, self.shared, *command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        number = self.shared / "number"
        try:
            wait_for("a private root", lambda: number.exists() or self.process.poll() is not None)
            assert number.exists(), f"no private root:\n{self.log()}"
        except AssertionError:
            self.close()
            raise
        self.number = int(number.read_text())

    def write(self, files):
        for name, text in files.items():
            file = self.shared / "files" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            file.chmod(0o600 if "key" in file.name else 0o644)

    def run(self, *command, stdin=b""):
        """Runs a command inside, to its end."""
        enter = ("nsenter", "--target", str(self.number), "--mount", "--pid", "--root", "--wdns=/", "env", "-i", PATH)
        return subprocess.run([*enter, *command], input=stdin, capture_output=True, timeout=60)

    def log(self):
        return self.log_file.read_text(errors="replace")

    def close(self):
        """Ends all processes inside; returns when they are gone."""
        if self.process.poll() is None:
            # unshare waits for the first process inside, and the kernel ends that one after all others inside.
            os.kill(self.number or self.process.pid, signal.SIGKILL)
        self.process.wait()
