"""postrider-sim and postrider-load in a comparison."""

import json
import os
import pathlib
import re
import socket
import subprocess

from waiting import wait_for

from comparison.place import BIN

SMART_HOST = "127.0.0.2"
STATIC_DOMAINS = 10  # all behind the smart host
HELD = "held.test"  # its mail is put off, for scenarios with a backlog
DNS, MX_PORT, CONTROL = "127.0.0.1:53", 25, "127.0.0.1:2500"  # Postfix asks port 53 of a server, and connects to 25
RELAY = "127.0.0.1:2525"
# The tools are to be out of the way: a thread each on a small machine, more on one with cores to spare.
THREADS = max(1, (os.cpu_count() or 1) // 4)
LOAD_TIMEOUT = 600  # seconds


def rules(scenario):
    """The domains of the simulated internet."""
    common = f"tls={'on' if scenario.tls_out else 'off'} delay={scenario.delay_ms}ms"
    if not scenario.domains:
        yield f"d[1-{STATIC_DOMAINS}].test mx={SMART_HOST} {common}"
        yield f"{HELD} mx={SMART_HOST} {common} rcpt=451_4.2.1_later"
    for number in range(scenario.domains):
        yield f"d{number + 1}.test mx=127.1.{number // 250}.{number % 250 + 1} {common}"


def domains(scenario):
    return f"d[1-{scenario.domains or STATIC_DOMAINS}].test"


class Simulation:
    def __init__(self, folder, scenario):
        file = folder / "domains"
        file.write_text("".join(rule + "\n" for rule in rules(scenario)))
        self.log_file = folder / "sim.log"
        ready = folder / "sim.ready"
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                [BIN / "bench" / "postrider-sim", "--domains", file, "--dns", DNS, "--mx-port", str(MX_PORT),
                 "--control", CONTROL, "--threads", str(THREADS), "--port-file", ready],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for("the simulated internet", lambda: ready.exists() or self.process.poll() is not None)
        if self.process.poll() is not None:
            raise RuntimeError(f"postrider-sim: {self.log_file.read_text()}")
        host, port = CONTROL.split(":")
        self.link = socket.create_connection((host, int(port)), timeout=60)
        self.answers = self.link.makefile()

    def tell(self, command):
        self.link.sendall(command.encode() + b"\n")
        return self.answers.readline().strip()

    def set(self, rule):
        answer = self.tell("set " + rule)
        if answer != "ok":
            raise RuntimeError(f"postrider-sim: set {rule}: {answer}")

    def stats(self):
        return json.loads(self.tell("stats"))

    def delivered(self):
        """Pairs of message and recipient that arrived, each counted once."""
        return self.stats()["distinct"]

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self):
        self.link.close()
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Load:
    """A running postrider-load. `extent`: its options that say how much is sent."""

    def __init__(self, scenario, *extent, to=RELAY, to_domains=None):
        command = [BIN / "bench" / "postrider-load", "--to", to, "--sessions", str(scenario.sessions),
                   "--threads", str(min(THREADS, scenario.sessions)), "--size", str(scenario.size),
                   "--domains", to_domains or domains(scenario), "--messages-per-session",
                   str(scenario.messages_per_session), "--tls", "starttls" if scenario.tls_in else "none",
                   "--timeout", f"{LOAD_TIMEOUT}s", "--json", *map(str, extent)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)

    def running(self):
        return self.process.poll() is None

    def result(self):
        """What it measured, once it has ended."""
        try:
            out, err = self.process.communicate(timeout=LOAD_TIMEOUT + 60)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        if self.process.returncode != 0:
            failures = json.loads(out)["failures"] if out.startswith("{") else ""
            raise RuntimeError(f"postrider-load failed: {err.strip()} {failures}")
        return json.loads(out)


def versions():
    """What is compared, with which tools."""
    def first_line(*command):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        return re.sub(r"\s+", " ", (done.stdout or done.stderr).strip().split("\n")[0])
    return ", ".join([first_line(BIN / "relay" / "postrider", "--version"),
                      "RocksDB " + first_line("dpkg-query", "-W", "-f", "${Version}", "librocksdb7.8"),
                      first_line("openssl", "version").partition(" (")[0], first_line("c++", "--version")])
