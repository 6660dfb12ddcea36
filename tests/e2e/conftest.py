"""Fixtures: each test its own relay, its own internet, its own directories; all stopped by the end of the test.

`relay` and `internet` are what most tests need; new_relay and new_internet make others.
"""

import collections
import contextlib
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

import pytest

sys.path.append(str(pathlib.Path(__file__).parent.parent / "support"))

from disks import LoopDisk
from internet import AddressBlock, Internet
from relay_process import RUN_AS, Relay, is_root
from signatures import DOMAIN, ED25519, RSA, write_key

Certificate = collections.namedtuple("Certificate", "chain key")

RULES = ("one.test mx=@1", "two.test mx=@2,@3", "client.test mx=@4")


# Told to CTest as SKIP_RETURN_CODE: every test of the file was skipped, which is not the same as passing.
ALL_SKIPPED = 77


def pytest_sessionfinish(session, exitstatus):
    reports = session.config.pluginmanager.get_plugin("terminalreporter").stats
    if exitstatus == 0 and reports.get("skipped") and not reports.get("passed"):
        session.exitstatus = ALL_SKIPPED


@pytest.fixture(scope="session")
def scratch():
    """A directory that the relay can read after it has become another user."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="postrider-e2e-"))
    directory.chmod(0o755)
    yield directory
    if "POSTRIDER_KEEP" not in os.environ:
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def block():
    return AddressBlock()


@pytest.fixture(scope="session")
def new_certificate(scratch):
    """make(name, subjects): a self-signed certificate for the subjects, in files called after `name`."""
    def make(name, subjects, key=("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")):
        made = Certificate(scratch / f"{name}.pem", scratch / f"{name}-key.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", *key, "-nodes",
                        "-days", "30", "-subj", f"/CN={name}", "-addext", f"subjectAltName={subjects}",
                        "-keyout", made.key, "-out", made.chain], check=True, capture_output=True, timeout=60)
        return made
    return make


@pytest.fixture(scope="session")
def certificate(new_certificate):
    made = new_certificate("relay", "DNS:relay.client.test,DNS:localhost,IP:127.0.0.1")
    if is_root():
        shutil.chown(made.key, RUN_AS)
    return made


@pytest.fixture
def seed():
    """Where the chance of a test comes from; SEED=N repeats a run."""
    chosen = int(os.environ.get("SEED", random.randrange(1 << 32)))
    print(f"SEED={chosen}")  # shown where the test fails
    return chosen


@pytest.fixture
def directory(scratch):
    """make(name): a new directory of this test."""
    def make(name):
        made = pathlib.Path(tempfile.mkdtemp(prefix=name + "-", dir=scratch))
        made.chmod(0o755)
        return made
    return make


@pytest.fixture
def new_internet(directory, block):
    """new_internet(rule..., mx_port=0): a simulated internet with these rules for domains."""
    with contextlib.ExitStack() as stack:  # each is stopped, even if another ends badly
        def make(*rules, mx_port=0):
            internet = Internet(directory("internet"), block, rules or RULES, mx_port)
            stack.callback(internet.stop)
            return internet
        yield make


@pytest.fixture
def internet(new_internet):
    return new_internet()


@pytest.fixture
def new_relay(directory, certificate, new_internet):  # after new_internet: stopped before it
    """new_relay(internet, start=True, section={option: value}, ...): a relay, started where not told otherwise."""
    with contextlib.ExitStack() as stack:
        def make(internet, start=True, **changes):
            relay = Relay(directory("relay"), internet, certificate, **changes)
            stack.callback(relay.close)
            return relay.start() if start else relay
        yield make


@pytest.fixture
def relay(new_relay, internet):
    return new_relay(internet)


@pytest.fixture
def keys(directory):
    """{selector: file}: an RSA and an Ed25519 key."""
    folder = directory("keys")
    made = {"r1": folder / "r1.pem", "e1": folder / "e1.pem"}
    write_key(made["r1"], RSA)
    write_key(made["e1"], ED25519)
    return made


@pytest.fixture
def signing_relay(new_relay, internet, keys):
    """signing_relay(selector..., user={...}, section={...}, option=value of [[dkim]]...)"""
    def make(*selectors, sections=None, start=True, **options):
        dkim_sections = [{"domain": DOMAIN, "selector": selector, "key": str(keys[selector])} | options
                         for selector in selectors]
        return new_relay(internet, start=start, dkim=dkim_sections, **(sections or {}))
    return make


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
def disk(directory):
    """A file system of its own, of 192 MiB; as root."""
    disk = LoopDisk(directory("disk"), RUN_AS, 192 << 20)
    yield disk
    disk.close()


@pytest.fixture
def held_internet(new_internet):
    """Where the mail of held.test stays in the queue until it is told otherwise."""
    return new_internet("held.test mx=@1 rcpt=451_4.7.1_later share=1.0", "d1.test mx=@2", "d2.test mx=@3 delay=20ms")


@pytest.fixture
def queue_relay(held_internet, new_relay, directory):
    """queue_relay(data, option=value, ...): [queue] so set, in the directory data, with the journal elsewhere, so that
    faults and disks meet the queue alone. Not started."""
    def make(data=None, **queue):
        journal = directory("journal")
        journal.chmod(0o777)
        changes = {"server": {"data_dir": str(data)}} if data else {}
        return new_relay(held_internet, start=False, journal={"file": str(journal / "journal.jsonl")}, queue=queue,
                         **changes)
    return make
