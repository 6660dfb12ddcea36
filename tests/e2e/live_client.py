"""Plays the transcripts in which the client is tested: a mail host of ours, and the live relay delivers to it.

Each dialog has a domain, an address and a listener of its own: d.test of the transcript is d<number>.test here.
"""

import contextlib
import re
import smtplib
import socket
import ssl

from live_wire import Differs, HANGS_AFTER, Wire
from transcripts import matches, octets, pieces, seconds, unescape
from waiting import let_pass, wait_for

CLOCK = 60  # a minute of a transcript is a second here; no timeout of the relay can be shorter than a second
TIMEOUTS = {"greeting_timeout": 300, "hello_timeout": 300, "start_tls_timeout": 120, "mail_timeout": 300,
            "recipient_timeout": 300, "data_timeout": 120, "text_timeout": 1800, "end_of_data_timeout": 600}
LEVELS = {"never": "none", "offered": "may", "required": "encrypt"}
IDLE_TIMEOUT = 3  # seconds; after them comes the QUIT of a connection without work
NOTIFY = {1: "NEVER", 2: "SUCCESS", 4: "FAILURE", 8: "DELAY"}


def needs(dialog):
    """What the relay of this dialog must be set to; dialogs with the same needs share a relay."""
    return (dialog.setting("starttls", "never"), dialog.has("WAIT"), dialog.setting("login"), dialog.setting("protocol"),
            dialog.setting("chunking"))


def settings(dialog, port, hosts):
    """The sections of the configuration that `needs` asks for; hosts: {domain: address of its mail host}."""
    delivery = {"port": port, "tls": LEVELS[dialog.setting("starttls", "never")], "idle_timeout": f"{IDLE_TIMEOUT}s"}
    if dialog.setting("chunking"):
        delivery["chunking"] = True
    if dialog.has("WAIT"):
        delivery |= {name: f"{value // CLOCK}s" for name, value in TIMEOUTS.items()}
    sections = {"server": {"host_name": "relay.test"}, "delivery": delivery,
                # One attempt is what a dialog is about.
                "retry": {"first_interval": "1h", "interval_max": "1h"}}
    route = {}
    if login := dialog.setting("login"):
        route["user"], route["password"] = login.split()
    if protocol := dialog.setting("protocol"):
        route["protocol"] = protocol
    if route:
        sections["route"] = [{"domain": domain, "host": host, "port": port, "tls": delivery["tls"], **route}
                             for domain, host in hosts.items()]
    return sections


class Submission:
    """What a SEND line and the text behind it put into the relay."""

    def __init__(self, words, text):
        self.text = text
        self.mail_options, self.recipients = [], []
        addresses = [word[1:-1] for word in words if word.startswith("<")]
        self.sender = addresses[0]
        for word in words[1:]:
            name, _, value = word.partition("=")
            if word.startswith("<"):
                self.recipients.append((word[1:-1], []))
            elif name == "notify":
                names = [text for bit, text in NOTIFY.items() if int(value) & bit]
                self.recipients[-1][1].append("NOTIFY=" + ",".join(names))
            elif name == "orcpt":
                self.recipients[-1][1].append("ORCPT=" + value)
            else:
                self.mail_options.append({"8bit": "BODY=8BITMIME", "utf8": "SMTPUTF8"}.get(word, word.upper()))

    def submit(self, relay):
        """The queue id."""
        with smtplib.SMTP("127.0.0.1", relay.ports["trusted"], timeout=HANGS_AFTER) as smtp:
            smtp.ehlo("app.test")
            replies = [smtp.docmd("MAIL", " ".join([f"FROM:<{self.sender}>", *self.mail_options]))]
            for address, options in self.recipients:
                replies.append(smtp.docmd("RCPT", " ".join([f"TO:<{address}>", *options])))
            assert all(code == 250 for code, _ in replies), replies
            assert smtp.docmd("DATA")[0] == 354
            smtp.send(re.sub(rb"(?m)^\.", b"..", self.text) + b".\r\n")
            code, text = smtp.getreply()
            assert code == 250, text
            return re.search(rb"queued as (\w+)", text)[1].decode()


class ClientPlay:
    """One dialog; `number` tells its domain from those of all others."""

    def __init__(self, dialog, relay, listener, number, certificate, chance=None):
        self.dialog, self.relay, self.listener, self.chance = dialog, relay, listener, chance
        self.domain = f"d{number}.test"
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate.chain, certificate.key)
        self.wire = None
        self.whole = False
        self.queue_id = None
        self.trace_length = None  # octets of the trace field that came with the text
        self.sizes = []  # (line, SIZE of the transcript, SIZE that came)
        self.expected_trace = False

    def renamed(self, text):
        return re.sub(r"\bd\.test\b", self.domain, text)

    def run(self):
        lines = list(self.dialog.lines)
        try:
            self.accept(lines)
            while lines:
                self.play(lines)
            self.check_end()
        finally:
            self.listener.close()
            if self.wire:
                self.wire.close()

    def accept(self, lines):
        """The relay connects where there is mail; a dialog without any is about a connection for this."""
        if not self.dialog.has("SEND"):
            self.queue_id = Submission(["<a@b.test>", f"<c@{self.domain}>"], b"x\r\n").submit(self.relay)
        else:
            first = next(i for i, line in enumerate(lines) if line.mark == "SEND")
            self.submit(lines, first)
        self.listener.settimeout(HANGS_AFTER)
        link, _ = self.listener.accept()
        self.listener.close()  # what the relay tries afterwards is no part of the dialog
        self.wire = Wire(link)

    def submit(self, lines, at):
        line = lines.pop(at)
        text = []
        while at < len(lines) and lines[at].mark == "|":
            text.append(lines.pop(at))
        self.queue_id = Submission(self.renamed(line.text).split(), octets(text)).submit(self.relay)

    def play(self, lines):
        line = lines[0]
        if line.mark in ("S:", "S<"):
            batch = []
            while lines and lines[0].mark in ("S:", "S<"):
                batch.append(lines.pop(0))
            return self.send(batch)
        if line.mark == "SEND":
            return self.submit(lines, 0)
        lines.pop(0)
        if line.mark == "C:":
            self.expect(line)
        elif line.mark == "R:":
            self.check_result(line, lines)
        else:
            getattr(self, "on_" + line.mark.lower())(line)

    def send(self, batch):
        if self.wire.pending():
            raise Differs(self.dialog, batch[0], f"unexpected: {self.wire.buffer!r}")
        data = octets(batch)
        self.wire.send([data] if self.whole or not self.chance else pieces(data, self.chance))
        self.whole = False
        self.expected_trace = batch[-1].text.startswith("354")

    def expect(self, line):
        came = self.wire.line()
        if self.expected_trace and came and came.startswith("Received: "):
            came = self.skip_trace(came)
        self.expected_trace = False
        expected = self.renamed(unescape(line.text))
        if came is not None:
            came = self.without_trace_size(line, expected, came)
        if came is None or not matches(expected, came):
            raise Differs(self.dialog, line, f"expected {expected!r}, came {came!r}")
        self.expected_trace = line.text.startswith("BDAT ")

    def skip_trace(self, line):
        """The first line behind the trace field, which the relay puts in front of the text."""
        self.trace_length = 0
        while line is not None and re.match(r"Received: |[ \t]", line):
            self.trace_length += len(line) + 2
            line = self.wire.line()
        for where, expected, came in self.sizes[-1:]:
            if came != expected + self.trace_length:
                raise Differs(self.dialog, where, f"{came} octets, of them {self.trace_length} trace")
        return line

    def without_trace_size(self, line, expected, came):
        """The line with the SIZE, or chunk, of the transcript, where what came can be that and a trace field."""
        counted = re.compile(r"(?:^BDAT | SIZE=)(\d+)")
        size, wanted = counted.search(came), counted.search(expected)
        if not (size and wanted and line.text.startswith(("MAIL ", "BDAT "))) or int(size[1]) <= int(wanted[1]):
            return came
        self.sizes.append((line, int(wanted[1]), int(size[1])))
        return came.replace(size[0], wanted[0])

    def check_result(self, line, lines):
        """What the journal says of the recipient. What the relay tried again at once, it knows only of the last try."""
        found = re.fullmatch(r"<(\S+)> \S+ (.*)", self.renamed(line.text))
        again = next((other for other in lines if other.mark != "R:" or other.text == "untouched"), None)
        if not found or (again and again.mark == "R:"):
            return
        recipient, status = found.groups()
        pattern = "*" + status.removeprefix("lost: ") if status.startswith("lost: ") else status

        def told():
            records = [record for record in self.relay.journal(id=self.queue_id) if record["event"] != "accepted"]
            name = unescape(recipient).encode("latin-1").decode()
            return [record for record in records if record["recipient"] == name]

        (record, *_) = wait_for(f"the journal to tell of {recipient} ({self.dialog.title})", told)
        if not matches(pattern, record["reply"]):
            raise Differs(self.dialog, line, f"expected {pattern!r}, the journal says {record['reply']!r}")

    def on_whole(self, line):
        self.whole = True

    def on_tls(self, line):
        try:
            self.wire.start_tls(self.context, server_side=True)
        except OSError as error:
            raise Differs(self.dialog, line, f"no TLS: {error}") from None

    def on_tlsfail(self, line):
        self.wire.read_more()  # the ClientHello; before it this would be plaintext, and forgotten
        self.wire.send([b"\x15\x03\x03\x00\x02\x02\x28"])  # an alert, fatal: handshake_failure

    def on_wait(self, line):
        let_pass(seconds(line.text) / CLOCK)

    def on_eof(self, line):
        self.wire.end_input()

    def on_quit(self, line):
        """The relay quits by itself where there is no work."""

    def check_end(self):
        """Nothing but QUIT may follow."""
        rest = self.wire.rest()
        if rest is None and self.dialog.lines[-1].mark != "C:":
            raise Differs(self.dialog, None, "the connection stays open")
        if rest not in (b"", b"QUIT\r\n") and not self.within_tls():
            raise Differs(self.dialog, None, f"unexpected: {rest!r}")

    def within_tls(self):
        """Whether what comes is a handshake that nobody takes part in."""
        return self.wire.buffer[:1] in (b"\x15", b"\x16")


def listeners(block, numbers):
    """(port, {number: listening socket}): one port at all these addresses."""
    for _ in range(20):  # that the system gave for the first; a connection from another may have it
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            opened, port = {}, 0
            for number in numbers:
                opened[number] = stack.enter_context(socket.create_server((block.address(number), port)))
                port = opened[number].getsockname()[1]
            stack.pop_all()
            return port, opened
    raise AssertionError("no port is free at all the addresses")
