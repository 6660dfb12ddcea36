"""Users in a file of their own: kept by the command line, followed by the relay that runs."""

import base64
import hashlib
import hmac
import os
import signal
import smtplib
import subprocess

import pytest

from relay_process import tool
from submission import connect, message, send
from waiting import wait_for


@pytest.fixture
def relay(new_relay, internet, users):
    return new_relay(internet, auth={"users_file": str(users)})


def change(users, *arguments, password=None):
    done = tool("user", *arguments, "--file", users, stdin=password and password + "\n")
    assert done.returncode == 0, done.stderr


def scram(smtp, user, password):
    """The whole exchange by hand; the code of the last reply."""
    nonce = base64.b64encode(os.urandom(18)).decode()
    bare = f"n={user},r={nonce}"
    code, challenge = smtp.docmd("AUTH", "SCRAM-SHA-256 " + base64.b64encode(f"n,,{bare}".encode()).decode())
    assert code == 334
    server_first = base64.b64decode(challenge).decode()
    parts = dict(part.split("=", 1) for part in server_first.split(","))
    assert parts["r"].startswith(nonce)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(parts["s"]), int(parts["i"]))
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    final = f"c=biws,r={parts['r']}"
    whole = f"{bare},{server_first},{final}".encode()
    signature = hmac.digest(hashlib.sha256(client_key).digest(), whole, "sha256")
    proof = bytes(a ^ b for a, b in zip(client_key, signature))
    code, answer = smtp.docmd(base64.b64encode(f"{final},p={base64.b64encode(proof).decode()}".encode()).decode())
    if code != 334:
        return code
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    assert base64.b64decode(answer).decode() == "v=" + base64.b64encode(hmac.digest(server_key, whole, "sha256")).decode()
    return smtp.docmd("")[0]


def can_log_in(relay, user, password):
    with connect(relay, login=False) as smtp:
        try:
            smtp.login(user, password)
        except smtplib.SMTPAuthenticationError:
            return False
        return True


def wait_users(relay, count):
    wait_for(f"{count} users", lambda: relay.metrics()["postrider_users"] == count)


def reads(relay, result):
    return relay.metrics().get(f'postrider_users_reads_total{{result="{result}"}}', 0)


def test_the_relay_follows_the_file(relay, users):
    assert not can_log_in(relay, "shop", "sesame")
    change(users, "add", "shop", "--sender", "*", password="sesame")
    wait_users(relay, 2)
    assert can_log_in(relay, "shop", "sesame")
    before = reads(relay, "ok")
    change(users, "passwd", "shop", password="other")
    wait_for("the change", lambda: reads(relay, "ok") > before)
    assert not can_log_in(relay, "shop", "sesame")
    assert can_log_in(relay, "shop", "other")
    change(users, "remove", "shop")
    wait_users(relay, 1)
    assert not can_log_in(relay, "shop", "other")


def test_a_session_ends_with_its_password(relay, users):
    change(users, "add", "shop", "--sender", "*", password="sesame")
    wait_users(relay, 2)
    with connect(relay, login=False) as smtp:
        smtp.login("shop", "sesame")
        send(smtp, ["ann@one.test"])
        change(users, "remove", "shop")
        wait_users(relay, 1)
        change(users, "add", "shop", "--sender", "*", password="other")
        wait_users(relay, 2)
        assert smtp.docmd("MAIL", "FROM:<a@client.test>")[0] == 421
    assert can_log_in(relay, "shop", "other")


def salt(relay, user, authzid=""):
    """What SCRAM says of this name to anybody."""
    with connect(relay, login=False) as smtp:
        first = base64.b64encode(f"n,{authzid},n={user},r=abc".encode()).decode()
        code, challenge = smtp.docmd("AUTH", f"SCRAM-SHA-256 {first}")
        assert code == 334
        assert smtp.docmd("*")[0] == 501
        return base64.b64decode(challenge).decode().partition(",s=")[2]


def test_scram_does_not_tell_who_exists(relay, users):
    change(users, "add", "shop", "--sender", "*", password="sesame")
    wait_users(relay, 2)
    names = ("shop", "nobody")
    before = [salt(relay, name) for name in names]
    assert [salt(relay, name, "a=other") for name in names] == before
    relay.stop()
    relay.start()
    wait_users(relay, 2)
    assert [salt(relay, name) for name in names] == before


def test_scram(relay, internet, users):
    with connect(relay, login=False) as smtp:
        assert "SCRAM" not in smtp.esmtp_features["auth"]
    change(users, "add", "shop", "--sender", "*", password="sesame")
    change(users, "add", "old", "--sender", "*", "--no-scram", password="sesame")
    wait_users(relay, 3)
    with connect(relay, login=False) as smtp:
        assert smtp.esmtp_features["auth"].split() == ["PLAIN", "LOGIN", "SCRAM-SHA-256"]
        assert scram(smtp, "shop", "wrong") == 535
        assert scram(smtp, "old", "sesame") == 535
        assert smtp.docmd("AUTH", "SCRAM-SHA-256 " + base64.b64encode(b"n,,n=shop,r=abc").decode())[0] == 334
        assert smtp.docmd("*")[0] == 501
        assert scram(smtp, "shop", "sesame") == 235
        send(smtp, ["ann@one.test"])
    wait_for("delivery", lambda: internet.stats()["messages"] == 1)
    assert relay.journal(event="accepted")[0]["user"] == "shop"


def test_scram_as_msmtp_speaks_it(relay, internet, users):
    change(users, "add", "shop", "--sender", "*", password="sesame")
    wait_users(relay, 2)
    done = subprocess.run(
        ["msmtp", "--host=127.0.0.1", f"--port={relay.ports['submission']}", "--tls", "--tls-starttls",
         "--tls-certcheck=off", "--auth=scram-sha-256", "--user=shop", "--passwordeval=echo sesame",
         "-f", "a@client.test", "ann@one.test"], input=message(), capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    wait_for("delivery", lambda: internet.stats()["messages"] == 1)


def test_a_file_with_a_mistake_changes_nothing(relay, users):
    change(users, "add", "shop", "--sender", "*", password="sesame")
    wait_users(relay, 2)
    users.write_text(users.read_text() + "[[user]]\nnam = 'x'\n")
    relay.process.send_signal(signal.SIGHUP)
    wait_for("the report", lambda: reads(relay, "failed") >= 1)
    assert can_log_in(relay, "shop", "sesame")
    assert "did you mean 'name'" in relay.log()


def test_a_relay_does_not_start_with_a_mistake(new_relay, internet, users):
    users.write_text("[[user]]\nname = 'x'\n")
    relay = new_relay(internet, start=False, auth={"users_file": str(users)})
    relay.spawn()
    assert relay.process.wait(timeout=60) == 3
    assert "user.password_hash: missing" in relay.log()
    checked = tool("check", "--config", relay.config_file)
    assert checked.returncode == 3 and f"{users}:1" in checked.stderr
