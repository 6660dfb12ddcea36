"""Small file systems of a test's own, and the power loss of one of them."""

import contextlib
import os
import shutil
import signal
import subprocess

import pytest

from waiting import wait_for

# Only what is synced leaves the page cache of the inner file system in the time of a test.
COMMIT_SECONDS = 300


def run(*command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60)


def must(*command):
    done = run(*command)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


class Disk:
    """A mounted file system; `data` is a directory in it for the relay."""

    def __init__(self, directory, owner):
        self.mounted = directory / "mounted"
        self.mounted.mkdir()
        self.owner = owner
        self.data = self.mounted / "data"

    def mount(self, *arguments):
        done = run("mount", *arguments, self.mounted)
        if done.returncode != 0:
            pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")

    def make_data(self):
        self.data.mkdir()
        shutil.chown(self.data, self.owner)

    def close(self):
        with contextlib.suppress(OSError, AssertionError):
            wait_for("the file system to be unused", lambda: run("umount", self.mounted).returncode == 0
                     or not os.path.ismount(self.mounted), within=10)
        if os.path.ismount(self.mounted):
            run("umount", "--lazy", self.mounted)


class TmpDisk(Disk):
    """A file system in memory, of a size in bytes and a number of files."""

    def __init__(self, directory, owner, size, files=0):
        super().__init__(directory, owner)
        self.files = files
        self.mount("-t", "tmpfs", "-o", f"size={size},nr_inodes={files}", "none")
        self.make_data()

    def grow(self, size, files=0):
        must("mount", "-o", f"remount,size={size},nr_inodes={files}", self.mounted)


class LoopDisk(Disk):
    """ext4 in an image, so that there is a copy of what a power loss would leave."""

    def __init__(self, directory, owner, size):
        super().__init__(directory, owner)
        self.image = directory / "image"
        with open(self.image, "wb") as file:
            file.truncate(size)
        made = run("mkfs.ext4", "-q", "-F", self.image)
        if made.returncode != 0:
            pytest.skip(f"no ext4 can be made here: {made.stderr.strip()}")
        self.mount_image()
        self.make_data()
        must("sync", "-f", self.mounted)

    def mount_image(self):
        self.mount("-o", f"loop,commit={COMMIT_SECONDS}", self.image)

    def lose_power(self, relay):
        """Ends the relay, and leaves of its files what the disk had at this moment.

        The threads are stopped where they are. What ext4 has written to its device is in the image; what was only in
        memory, in the page cache of ext4, is not, and the copy is mounted in the place of the original.
        """
        relay.process.send_signal(signal.SIGSTOP)
        wait_for("all threads to be stopped", lambda: all_stopped(relay.process.pid))
        copy = self.image.with_suffix(".copy")
        must("cp", "--sparse=always", self.image, copy)
        relay.kill()
        must("umount", self.mounted)
        copy.rename(self.image)
        self.mount_image()


def all_stopped(pid):
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/stat") as file:
            if file.read().rsplit(")", 1)[1].split()[0] != "T":
                return False
    return True
