"""The simulated internet (postrider-sim) as a fixture: domains, MX hosts, and what they received."""

import contextlib
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess

from waiting import json_lines, wait_for

SIM = pathlib.Path(os.environ["POSTRIDER_BIN_DIR"]) / "bench" / "postrider-sim"


class AddressBlock:
    """254 loopback addresses of this process alone, in whatever number of processes the tests run.

    Held by the name of an abstract socket: its scope is that of the loopback addresses, and it goes with the process.
    """

    def __init__(self):
        self.lock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        for _ in range(1000):
            self.prefix = f"127.{random.randint(100, 199)}.{random.randint(0, 255)}"
            with contextlib.suppress(OSError):
                self.lock.bind(f"\0postrider-e2e-{self.prefix}")
                return
        raise AssertionError("no block of loopback addresses is free")

    def address(self, number):
        return f"{self.prefix}.{number}"

    def resolve(self, rule):
        """The rule with @1, @2, ... replaced by addresses of this block."""
        return re.sub(r"(?<=[=,])@(\d+)", lambda match: self.address(match[1]), rule)


class Received:
    """One message as an MX host got it."""

    def __init__(self, record, content):
        self.record = record
        self.content = content
        front = re.match(rb"Received: [^\n]*\r\n(?:[ \t][^\n]*\r\n)*", content)
        self.trace = front[0] if front else b""
        self.behind_trace = content[len(self.trace):]

    def __getattr__(self, name):
        try:
            return self.record[name]
        except KeyError:
            raise AttributeError(name) from None


class Internet:
    def __init__(self, directory, block, rules, mx_port=0):
        self.directory = directory
        self.saved = directory / "received"
        self.ca_file = directory / "ca.pem"
        self.block = block
        ready = directory / "ready"
        command = [SIM, "--dns", "127.0.0.1:0", "--mx-port", str(mx_port), "--control", "127.0.0.1:0",
                   "--save", self.saved, "--write-ca", self.ca_file, "--port-file", ready]
        for rule in rules:
            command += ["--domain", block.resolve(rule)]
        with open(directory / "sim.log", "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for("the simulated internet", lambda: ready.exists() or self.process.poll() is not None)
        assert self.process.poll() is None, self.log()
        ports = dict(re.findall(r"(\S+)=(\S+)", ready.read_text()))
        self.dns = ports["dns"]
        self.mx_port = int(ports["mx-port"])
        self.control = ports["control"]

    def log(self):
        return (self.directory / "sim.log").read_text(errors="replace")

    def address(self, number):
        return self.block.address(number)

    # --- steering ---

    def tell(self, command):
        host, port = self.control.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=10) as link:
            link.sendall(self.block.resolve(command).encode() + b"\n")
            return link.makefile().readline().strip()

    def set(self, rule):
        answer = self.tell("set " + rule)
        assert answer == "ok", answer

    def stats(self):
        return json.loads(self.tell("stats"))

    # --- what arrived ---

    def records(self):
        return json_lines(self.saved / "log.jsonl")

    def received(self, recipient=None):
        """All messages, or those whose recipients include `recipient`, in the order they came."""
        found = []
        for record in self.records():
            if recipient is None or recipient in record["recipients"]:
                (file,) = self.saved.glob(f"{record['n']}-*.eml")
                found.append(Received(record, file.read_bytes()))
        return found

    def wait_received(self, recipient=None, count=1):
        """The messages for the recipient, as soon as there are `count`."""
        def enough():
            records = [r for r in self.records() if recipient is None or recipient in r["recipients"]]
            return len(records) >= count
        wait_for(f"{count} message(s) for {recipient or 'anybody'}", enough)
        return self.received(recipient)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.returncode == 0, f"the simulated internet ended badly:\n{self.log()[-4000:]}"
