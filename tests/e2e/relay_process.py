"""The live binary: its configuration, its process, and what it says about itself."""

import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import urllib.error
import urllib.request

from waiting import json_lines, wait_for

POSTRIDER = pathlib.Path(os.environ["POSTRIDER_BIN_DIR"]) / os.environ.get("POSTRIDER_BINARY", "relay/postrider")
IN_MEMORY = POSTRIDER.name == "memory_relay"  # its queue does not survive a restart
RUN_AS = "nobody"  # what the relay becomes where the tests run as root
USER, PASSWORD = "app", "a secret with a space"
# What no run may ever leave in the log.
ALARMS = re.compile(r"runtime error|AddressSanitizer|LeakSanitizer|ThreadSanitizer|check failed|terminate called"
                    r"|Assertion .* failed")
STOPS_WITHIN = 10  # seconds from SIGTERM to the end: a promise to service managers


def is_instrumented():
    return any(runtime in POSTRIDER.read_bytes() for runtime in (b"libasan", b"libtsan"))


def is_root():
    return os.geteuid() == 0


def environment():
    variables = dict(os.environ)
    if is_root():
        # A process that changed its user may not be traced, and looking for leaks needs that.
        variables["ASAN_OPTIONS"] = variables.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    return variables


def tool(*arguments, stdin=None):
    """Runs a sub-command to its end."""
    return subprocess.run([POSTRIDER, *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=60,
                          env=environment())


def to_toml(sections):
    """{section: {key: value}}; a list of dicts is a repeated section."""
    def value(v):
        return json.dumps(v, ensure_ascii=False)

    lines = []
    for name, content in sections.items():
        for part in content if isinstance(content, list) else [content]:
            lines.append(f"[[{name}]]" if isinstance(content, list) else f"[{name}]")
            lines += [f"{key} = {value(v)}" for key, v in part.items()]
            lines.append("")
    return "\n".join(lines)


class Relay:
    def __init__(self, directory, internet, certificate, **changes):
        """`changes`: section=dict of options that differ from those of settings(), or section=list to replace it."""
        self.directory = directory
        self.data = directory / "data"
        self.journal_file = self.data / "journal.jsonl"
        self.config_file = directory / "postrider.toml"
        self.certificate = certificate
        self.process = None
        self.variables = {}  # of the environment, besides what is there
        self.descriptors_max = None
        self.file_size_max = None
        self.closed = ()  # standard streams that it starts without
        self.starts = 0
        self.make_directories()
        self.sections = self.settings(internet)
        for section, options in changes.items():
            if isinstance(options, dict):
                self.sections.setdefault(section, {}).update(options)
            else:
                self.sections[section] = options
        self.write_config()

    def make_directories(self):
        self.data.mkdir()
        if is_root():
            shutil.chown(self.data, RUN_AS)

    def settings(self, internet):
        sections = {
            "server": {"host_name": "relay.client.test", "data_dir": str(self.data), "allow_plain_passwords": True},
            "tls": {"certificate": str(self.certificate.chain), "key": str(self.certificate.key)},
            "listener": [{"address": "127.0.0.1:0", "mode": mode} for mode in
                         ("submission", "submissions", "trusted")],
            "user": [{"name": USER, "password": PASSWORD}],
            "submission": {"trusted_networks": ["127.0.0.0/8"]},
            "delivery": {"port": internet.mx_port, "allow_special_addresses": True, "probe_first": "300ms",
                         "probe_max": "1s"},
            "retry": {"first_interval": "300ms", "interval_max": "1s"},
            "dns": {"servers": [internet.dns], "failure_ttl": "1s"},
            "journal": {"file": str(self.journal_file)},
            "admin": {"address": "127.0.0.1:0"},
        }
        if is_root():
            sections["server"]["user"] = RUN_AS
        return sections

    def write_config(self):
        self.config_file.write_text(to_toml(self.sections))
        self.config_file.chmod(0o600)  # it holds a password; the relay reads it before it becomes another user

    # --- the process ---

    def spawn(self):
        """Starts the process and returns at once."""
        assert not self.running()
        self.starts += 1
        self.log_file = self.directory / f"relay-{self.starts}.log"
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen([POSTRIDER, "serve", "--config", self.config_file],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=environment() | self.variables, preexec_fn=self.prepare)

    def prepare(self):
        """In the new process."""
        for stream in self.closed:
            os.close(stream)
        if self.descriptors_max:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors_max, self.descriptors_max))
        if self.file_size_max:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.file_size_max, self.file_size_max))

    def start(self):
        """Starts the process; returns when it accepts mail."""
        self.spawn()
        return self.wait_ready()

    def wait_ready(self):
        """After spawn(): returns when the relay accepts mail."""
        wait_for("the relay to be ready",
                 lambda: " server: ready" in self.log() or self.process.poll() is not None)
        assert self.running(), f"the relay did not start:\n{self.log()[-4000:]}"
        self.ports = {mode: int(port) for port, mode in
                      re.findall(r"submission: listening address=\S+:(\d+) mode=(\w+)", self.log())}
        found = re.search(r"admin: listening address=(\S+)", self.log())
        self.admin = found[1] if found else None
        return self

    def running(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        return self.log_file.read_text(errors="replace") if self.starts else ""

    def wait_end(self, within=STOPS_WITHIN):
        """The exit code; the process must end by itself in time."""
        try:
            return self.process.wait(timeout=within)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the relay did not end within {within} s:\n{self.log()[-4000:]}") from None

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.wait_end()
        self.check_log()
        assert code == 0, f"exit code {code}:\n{self.log()[-4000:]}"

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.check_log()

    def check_log(self):
        log = self.log()
        alarm = ALARMS.search(log)
        assert not alarm, f"the relay says '{alarm[0]}':\n{log[max(0, alarm.start() - 1000):alarm.start() + 7000]}"

    def close(self):
        """At the end of a test: stops what runs, and looks at the log once more."""
        if self.running():
            self.stop()
        elif self.process is not None:
            self.check_log()
            assert not self.crashed(), self.log()[-8000:]

    def crashed(self):
        return self.process.returncode in (-signal.SIGABRT, -signal.SIGSEGV)

    # --- what it says ---

    def journal(self, **wanted):
        """The journal's records, those whose fields are as wanted."""
        if not self.journal_file.exists():
            return []
        return [r for r in json_lines(self.journal_file) if all(r.get(k) == v for k, v in wanted.items())]

    def wait_journal(self, count=1, **wanted):
        wait_for(f"{count} journal record(s) {wanted}", lambda: len(self.journal(**wanted)) >= count)
        return self.journal(**wanted)

    def ask(self, path, method="GET"):
        """(code, body) of a request to the admin port."""
        request = urllib.request.Request(f"http://{self.admin}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()

    def metrics(self):
        """{'name{label="value"}': number}"""
        code, text = self.ask("/metrics")
        assert code == 200, text
        return {name: float(value) for name, value in re.findall(r"^([^#\s]\S*) (\S+)$", text, re.MULTILINE)}

    def queue(self, *arguments):
        return tool("queue", arguments[0], *arguments[1:], "--admin", self.admin)

    def queued_messages(self):
        """How many messages are in the queue."""
        return json.loads(self.ask("/queue")[1])["totals"]["messages"]

    def wait_queue_empty(self):
        """However long that takes, as long as mail goes on leaving."""
        try:
            while left := self.queued_messages():
                wait_for("mail to leave the queue", lambda before=left: self.queued_messages() < before)
        except AssertionError as failure:
            waiting = self.queue("list", "--messages").stdout[:2000]
            raise AssertionError(f"{failure}; what waits:\n{waiting}\nits log:\n{self.log()[-2000:]}") from failure
