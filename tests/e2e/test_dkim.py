"""DKIM: what is submitted arrives signed, as two independent verifiers see it."""

import base64
import signal
import subprocess

import dkim
import pytest

from signatures import ED25519, RSA, records, signatures, verify, write_key
from submission import Refused, connect, expect, message, queue_id, send, submit, swaks
from unpacked_package import unpacked
from waiting import wait_for

def opendkim(directory, content, published):
    """Whether opendkim finds an RSA signature good."""
    folder = directory("opendkim")
    # Its own format has no dot behind the name.
    (folder / "keys").write_text("".join(f"{name.rstrip('.')} {text}\n" for name, text in published.items()))
    (folder / "conf").write_text(f"TestPublicKeys {folder}/keys\nMode v\n")
    (folder / "message").write_bytes(content)
    # Unpacked: the package would start a service. Its libraries are in either of two places.
    package = unpacked("opendkim")
    libraries = [package / "usr/lib", *package.glob("usr/lib/*-linux-gnu")]
    done = subprocess.run([package / "usr/sbin/opendkim", "-x", folder / "conf", "-t", folder / "message"],
                          env={"LD_LIBRARY_PATH": ":".join(map(str, libraries))},
                          capture_output=True, text=True, timeout=60)
    said = done.stdout + done.stderr
    assert "verification (s=r1, d=client.test, 2048-bit key)" in said, said
    return "verification (s=r1, d=client.test, 2048-bit key) succeeded" in said


BODIES = {
    "empty": b"",
    "empty lines": b"\r\n\r\n",
    "a line": b"Hello.\r\n",
    "trailing blanks": b"Hello.  \t\r\n \r\n\r\n\r\n",
    "dots": b".\r\n..\r\n.x\r\n",
    "8 bits": "Grüße \t aus  Köln\r\n".encode() + bytes(range(160, 255)) + b"\r\n",
    "long": b"".join(b"%06d \t blanks  and words\r\n" % i for i in range(12000)),
}


@pytest.mark.parametrize("canonicalization", ["relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple"])
def test_both_algorithms(signing_relay, internet, directory, canonicalization):
    relay = signing_relay("r1", "e1", canonicalization=canonicalization)
    published = records(relay)
    with connect(relay) as smtp:
        for i, (name, body) in enumerate(BODIES.items()):
            send(smtp, f"b{i}@one.test", message(body))
    for i, (name, body) in enumerate(BODIES.items()):
        (received,) = internet.wait_received(f"b{i}@one.test")
        assert verify(received.content, published) == {"rsa-sha256": True, "ed25519-sha256": True}, name
        assert opendkim(directory, received.content, published), name
        assert received.content.endswith(b"\r\n\r\n" + body), name
        assert all(len(line) < 78 for field in signatures(received.content) for line in field.split(b"\r\n"))
    changed = received.content.replace(b"words", b"sword", 1)
    assert verify(changed, published) == {"rsa-sha256": False, "ed25519-sha256": False}
    assert relay.metrics()['postrider_signatures_total{result="rsa"}'] == len(BODIES)


def test_headers(signing_relay, internet, directory):
    relay = signing_relay("r1", "e1", headers=["X-Mailer"])
    published = records(relay)
    header = (b"From: =?utf-8?q?J=C3=B6rg?= <news@client.test>\r\nSubject: " + b"long and " * 12 +
              b"\r\n\tfolded   twice \r\n  " + b"word " * 30 + b"\r\nX-Mailer: ours\r\n"
              b"List-Unsubscribe: <https://client.test/u/1>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
              b"To: a@one.test,\r\n b@one.test\r\nBcc: c@one.test\r\n")
    submit(relay, "ann@one.test", header + b"\r\nHello.\r\n", mode="submission")
    (received,) = internet.wait_received("ann@one.test")
    assert verify(received.content, published) == {"rsa-sha256": True, "ed25519-sha256": True}
    assert opendkim(directory, received.content, published)
    for added in (b"Subject: other", b"From: <x@evil.test>", b"List-Unsubscribe: <https://evil.test>", b"Cc: x@evil.test",
                  b"X-Mailer: evil"):
        forged = added + b"\r\n" + received.content
        good = added.startswith(b"X-Mailer")  # the lowest is what was signed
        assert verify(forged, published) == {"rsa-sha256": good, "ed25519-sha256": good}, added
    again = b"Received: from a by b; Mon, 06 Jan 2025 10:00:00 +0000\r\n" + received.content
    assert all(verify(again, published).values())


def test_bdat(signing_relay, internet):
    relay = signing_relay("r1", "e1")
    content = message(b"One.\r\n.\r\nTwo without an end  ")
    with connect(relay) as smtp:
        expect("mail", smtp.mail("news@client.test"), 250)
        expect("rcpt", smtp.rcpt("ann@one.test"), 250)
        for at in range(0, len(content), 37):
            part = content[at:at + 37]
            smtp.send(b"BDAT %d\r\n" % len(part) + part)
            expect("bdat", smtp.getreply(), 250)
        queue_id(expect("last", smtp.docmd("BDAT", "0 LAST"), 250))
    (received,) = internet.wait_received("ann@one.test")
    assert verify(received.content, records(relay)) == {"rsa-sha256": True, "ed25519-sha256": True}


def test_swaks(signing_relay, internet, directory):
    relay = signing_relay("r1")
    swaks(relay, "--tls", "--auth", "PLAIN", "--auth-user", "app", "--auth-password", "a secret with a space",
          "--to", "ann@one.test", "--header", "Subject: From swaks", "--body", "One line.\n.A dot in front.\n\n\n")
    (received,) = internet.wait_received("ann@one.test")
    assert verify(received.content, records(relay)) == {"rsa-sha256": True}
    assert opendkim(directory, received.content, records(relay))


def test_what_is_signed_gets_our_signature_too(signing_relay, internet, keys):
    relay = signing_relay("r1", sections={"user": [{"name": "app", "password": "a secret with a space"}]})
    theirs = keys["r1"].parent / "theirs.pem"
    write_key(theirs, RSA)
    content = message(b"Signed before.\r\n")
    signed = dkim.sign(content, b"theirs", b"client.test", theirs.read_bytes()) + content
    submit(relay, "ann@one.test", signed, mode="submission")
    (received,) = internet.wait_received("ann@one.test")
    assert received.content.endswith(signed)
    public = subprocess.run(["openssl", "pkey", "-in", theirs, "-pubout", "-outform", "DER"], check=True,
                            capture_output=True, timeout=60).stdout
    published = records(relay) | {
        "theirs._domainkey.client.test.": "v=DKIM1; p=" + base64.b64encode(public).decode()}
    ours, before = signatures(received.content)
    for i, field in enumerate((ours, before)):
        assert dkim.DKIM(received.content).verify(
            idx=i, dnsfunc=lambda name, timeout=5: published[name.decode()].encode()), field


def test_a_message_that_must_be_signed(signing_relay, internet):
    relay = signing_relay("e1", sections={"signing": {"required_from": ["other.test"]}})
    other = message().replace(b"news@client.test", b"news@other.test")
    with connect(relay) as smtp:
        with pytest.raises(Refused, match="dot: 550 5.7.1 A DKIM signature is required for messages from other.test: "
                                          "there is no DKIM key for other.test"):
            send(smtp, "ann@one.test", other)
        send(smtp, "ann@one.test")
    assert len(internet.wait_received("ann@one.test")) == 1
    assert relay.metrics()['postrider_replies_refused_total{reason="signature_required"}'] == 1


def test_a_new_key_counts_without_a_restart(signing_relay, internet, keys):
    relay = signing_relay("e1")
    before = records(relay)
    write_key(keys["e1"], ED25519)
    relay.process.send_signal(signal.SIGHUP)
    reads = 'postrider_signing_keys_reads_total{result="%s"}'
    wait_for("the new key", lambda: relay.metrics().get(reads % "ok", 0) >= 1)
    submit(relay, "ann@one.test")
    (received,) = internet.wait_received("ann@one.test")
    after = records(relay)
    assert after != before
    assert verify(received.content, after) == {"ed25519-sha256": True}
    assert verify(received.content, before) == {"ed25519-sha256": False}
    keys["e1"].write_text("no key")
    wait_for("the report", lambda: relay.metrics().get(reads % "failed", 0) >= 1)
    assert "it holds no PEM private key" in relay.log()
    submit(relay, "bob@one.test")
    (received,) = internet.wait_received("bob@one.test")
    assert verify(received.content, after) == {"ed25519-sha256": True}


def test_a_relay_does_not_start_without_its_key(signing_relay, keys):
    relay = signing_relay("e1", start=False)
    keys["e1"].unlink()
    relay.spawn()
    assert relay.process.wait(timeout=60) == 3
    assert "dkim.key: " in relay.log() and "No such file" in relay.log()
