"""What bench/submission and bench/delivery stand on: the build, a certificate, the simulated internet, what a relay has
used, and tables."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import types

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[1]
GIVEN_BUILD = "POSTRIDER_BIN_DIR" in os.environ  # as for the end-to-end tests; then nothing is installed or built
BIN = pathlib.Path(os.environ.setdefault("POSTRIDER_BIN_DIR", str(ROOT / "build" / "release")))
sys.path.append(str(ROOT / "tests" / "e2e"))  # the relay and its configuration, as the tests have them

from relay_process import RUN_AS, is_root  # noqa: E402 (the path comes first)
from waiting import wait_for  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
# Of what a trusted client may take, enough for any load.
MANY_CLIENTS = {"trusted_networks": ["127.0.0.0/8"], "connections_per_client_max": 20_000, "connections_max": 20_000,
                "connections_per_network_max": 20_000, "handshakes_max": 20_000}


def build():
    if GIVEN_BUILD:
        return
    subprocess.run([ROOT / "deploy" / "packages", "run"], check=True)
    subprocess.run([ROOT / "deploy" / "build", "release", "postrider", "postrider-sim", "postrider-load"], check=True)


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)


def readable(file):
    """By the user that the relay becomes."""
    if is_root():
        shutil.chown(file, RUN_AS)


def make_certificate(folder):
    """What the relay shows its clients."""
    certificate = types.SimpleNamespace(chain=folder / "cert.pem", key=folder / "key.pem")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", "/CN=bench.test", "-keyout", certificate.key, "-out", certificate.chain)
    readable(certificate.key)
    return certificate


class Internet:
    """A running postrider-sim."""

    def __init__(self, folder, rules, *options):
        folder.mkdir(mode=0o755)
        (folder / "domains").write_text("\n".join(rules) + "\n")
        ready = folder / "ready"
        self.process = subprocess.Popen(
            [BIN / "bench" / "postrider-sim", "--domains", folder / "domains", "--control", "127.0.0.1:0",
             "--port-file", ready, *map(str, options)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        wait_for("the simulated internet", lambda: ready.exists() or self.process.poll() is not None)
        assert self.process.poll() is None, "the simulated internet has ended"
        said = dict(word.split("=") for word in ready.read_text().split()[1:])
        self.dns, self.mx_port, self.control = said["dns"], int(said["mx-port"]), said["control"]

    def tell(self, *commands):
        """The answers, in order."""
        host, port = self.control.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=20) as link:
            answers = link.makefile()
            for command in commands:
                link.sendall(command.encode() + b"\n")
                yield answers.readline().strip()

    def set(self, names, keys):
        for answer in self.tell(*(f"set {name} {keys}" for name in names)):
            assert answer == "ok", answer

    def stats(self):
        return json.loads(next(self.tell("stats")))

    def close(self):
        self.process.kill()
        self.process.wait()


def load_command(relay, listener, *options):
    return [BIN / "bench" / "postrider-load", "--to", f"127.0.0.1:{relay.ports[listener]}", "--json",
            *map(str, options)]


def load(relay, *options, listener="trusted"):
    """What postrider-load says about a load of which everything was accepted."""
    done = subprocess.run(load_command(relay, listener, *options), capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"postrider-load: {done.stderr.strip()} {done.stdout}"
    return json.loads(done.stdout)


def cpu_seconds(relay):
    fields = pathlib.Path(f"/proc/{relay.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def processor_wait_seconds(relay):
    """How long its threads, those that are there now, were ready to run while something else ran."""
    tasks = pathlib.Path(f"/proc/{relay.process.pid}/task")
    return sum(int((task / "schedstat").read_text().split()[1]) for task in tasks.iterdir()) / 1e9


def resident_kib(relay):
    return kib_of(relay, "status", "VmRSS:")


def proportional_kib(relay):
    return kib_of(relay, "smaps_rollup", "Pss:")


def kib_of(relay, file, field):
    return int(pathlib.Path(f"/proc/{relay.process.pid}/{file}").read_text().partition(field)[2].split()[0])


def table(*heads):
    print()
    row(*heads)
    row(*("---" for _ in heads))


def row(*cells):
    print("|", " | ".join(map(str, cells)), "|", flush=True)
