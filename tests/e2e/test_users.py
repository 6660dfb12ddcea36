"""Users in a file of their own: kept by the command line, followed by the relay that runs."""

import shutil
import signal
import smtplib

import pytest

from relay_process import RUN_AS, is_root, tool
from submission import connect
from waiting import wait_for


@pytest.fixture
def users(directory):
    """An empty file of users that the relay can read; what replaces it keeps its owner and mode."""
    path = directory("users") / "users.toml"
    path.write_text("")
    path.chmod(0o640)
    if is_root():
        shutil.chown(path, user=RUN_AS)
    return path


@pytest.fixture
def relay(new_relay, internet, users):
    return new_relay(internet, auth={"users_file": str(users)})


def change(users, *arguments, password=None):
    done = tool("user", *arguments, "--file", users, stdin=password and password + "\n")
    assert done.returncode == 0, done.stderr


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
    change(users, "add", "shop", password="sesame")
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


def test_a_file_with_a_mistake_changes_nothing(relay, users):
    change(users, "add", "shop", password="sesame")
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
