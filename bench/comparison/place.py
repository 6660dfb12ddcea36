"""Where a comparison happens: namespaces of its own, so that ports are free, nothing gets out, and no mail system here
is touched; and folders on the disk that the queues are measured on."""

import contextlib
import fcntl
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import tempfile

import private_root

ROOT = pathlib.Path(__file__).resolve().parents[2]
# A build that stands can be named, as for the end-to-end tests; then nothing is installed or built.
GIVEN_BUILD = "POSTRIDER_BIN_DIR" in os.environ
BIN = pathlib.Path(os.environ.setdefault("POSTRIDER_BIN_DIR", str(ROOT / "build" / "release")))
INSIDE = "POSTRIDER_COMPARE_INSIDE"  # a variable of the environment
TRACING = pathlib.Path("/sys/kernel/tracing")
RUN_AS = "nobody"  # what the relay becomes


def enter(arguments):
    """Becomes the same command in network and mount namespaces of its own."""
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--net", "--mount", *private_root.propagation(), "--", "/usr/bin/python3",
                          ROOT / "bench" / "compare", *arguments])


def missing():
    """Why nothing can be compared here; None where it can."""
    if (reason := private_root.missing()) is not None:
        return reason
    done = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True, timeout=60)
    return None if done.returncode == 0 else f"no network namespace: {done.stderr.strip()}"


def inside():
    return INSIDE in os.environ


def prepare():
    """Once inside: brings the loopback interface up, and gives perf its trace points."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 0x8914, 0x1, 0x40
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP | IFF_RUNNING))
    if TRACING.is_dir() and not (TRACING / "events").is_dir():
        subprocess.run(["mount", "-t", "tracefs", "none", TRACING], capture_output=True, timeout=60)


@contextlib.contextmanager
def work_folder(folder):
    """A new folder on the disk of `folder` that every user can reach, wherever that is; all of it goes at the end."""
    for left in folder.glob("work-*"):
        if not pathlib.Path("/proc", left.name.removeprefix("work-")).exists():  # a run that was killed
            shutil.rmtree(left)
    disk = folder / f"work-{os.getpid()}"
    disk.mkdir()
    disk.chmod(0o755)
    with tempfile.TemporaryDirectory(prefix="postrider-bench-") as seen:
        os.chmod(seen, 0o755)
        subprocess.run(["mount", "--bind", disk, seen], check=True, timeout=60)
        try:
            yield pathlib.Path(seen)
        finally:
            subprocess.run(["umount", "--lazy", seen], check=True, timeout=60)
            shutil.rmtree(disk, ignore_errors=True)


@contextlib.contextmanager
def round_folder(work):
    with tempfile.TemporaryDirectory(prefix="round-", dir=work, ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        yield pathlib.Path(folder)


def make_certificate(folder):
    """(chain, key) of the relays, for TLS from the clients; ECDSA P-256."""
    chain, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=relay.bench.test", "-keyout", key, "-out", chain],
                   check=True, capture_output=True, timeout=60)
    shutil.chown(key, RUN_AS)
    return chain, key
