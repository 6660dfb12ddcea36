"""fault_shim.cc under the live relay: which calls fail, from when on, and for how long."""

import errno
import os
import pathlib

import pytest

SHIM = pathlib.Path(os.environ["POSTRIDER_BIN_DIR"]) / "tests" / "support" / "libfault_shim.so"
SYNCS = ("fsync", "fdatasync", "sync_file_range")
PRETEND = 0  # instead of an errno: success is returned, and nothing done


class Faults:
    """`below`: the directory whose files are meant."""

    def __init__(self, directory, below):
        if not SHIM.exists():
            pytest.skip("the fault shim is not built; instrumented builds have none")
        self.control = directory / "control"
        self.hits_file = directory / "control.hits"
        self.hits_file.touch()
        self.hits_file.chmod(0o666)  # the relay becomes another user
        directory.chmod(0o755)
        self.variables = {"LD_PRELOAD": str(SHIM), "PR_FAULT_BELOW": str(below), "PR_FAULT_CONTROL": str(self.control)}

    def begin(self, calls, error, first=1, count=0):
        """From the first-th of these calls on `count` of them fail; 0: all, up to end()."""
        self.hits_file.write_bytes(b"")
        new = self.control.with_suffix(".new")
        new.write_text(f"{','.join(calls)} {error} {first} {count}\n")
        new.chmod(0o644)
        new.rename(self.control)

    def end(self):
        self.control.unlink(missing_ok=True)

    def hits(self):
        return self.hits_file.read_bytes().count(b"\n")


def name(error):
    return errno.errorcode.get(error, "pretend")
