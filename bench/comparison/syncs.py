"""bench/sync_shim.cc in a relay: how often it syncs, and how much longer each sync takes."""

import shutil
import struct

from comparison.place import BIN

SHIM = BIN / "bench" / "libsync_shim.so"
NAMES = ("fsync", "fdatasync", "other", "delayed", "synchronous_opens")  # as in sync_shim.cc
LAYOUT = struct.Struct(f"{len(NAMES)}Q")


class SyncShim:
    """`folder`: where the library and its counts are; `seen_as`: the same folder as the relay sees it."""

    def __init__(self, folder, seen_as, delay_ms):
        self.file = folder / "sync-counts"
        self.file.write_bytes(bytes(LAYOUT.size))
        self.file.chmod(0o666)  # relays become other users
        shutil.copy(SHIM, folder / SHIM.name)
        self.variables = {"LD_PRELOAD": f"{seen_as}/{SHIM.name}", "PR_SYNC_COUNTS": f"{seen_as}/{self.file.name}",
                          "PR_SYNC_DELAY": str(round(1000 * delay_ms))}

    def counts(self):
        return dict(zip(NAMES, LAYOUT.unpack(self.file.read_bytes())))


def total(counts):
    return counts["fsync"] + counts["fdatasync"] + counts["other"]
