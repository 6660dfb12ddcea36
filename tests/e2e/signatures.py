"""DKIM keys, and a verifier of what they sign that shares nothing with the relay."""

import re
import shutil
import subprocess

import dkim

from relay_process import RUN_AS, is_root, tool

DOMAIN = "client.test"
RSA = ("RSA", "-pkeyopt", "rsa_keygen_bits:2048")
ED25519 = ("ed25519",)


def write_key(path, algorithm):
    """A new key in the file, whose owner and mode stay."""
    fresh = path.with_suffix(".new")
    subprocess.run(["openssl", "genpkey", "-algorithm", *algorithm, "-out", fresh], check=True, capture_output=True,
                   timeout=60)
    fresh.chmod(0o640)
    if is_root():
        shutil.chown(fresh, user=RUN_AS)
    fresh.rename(path)


def records(relay):
    """{name: text} as `postrider dkim` prints them for the DNS."""
    done = tool("dkim", "--config", relay.config_file)
    assert done.returncode == 0, done.stderr
    found = {}
    for line in done.stdout.splitlines():
        name, strings = re.fullmatch(r"(\S+\.) IN TXT \( (.*) \)", line).groups()
        found[name] = "".join(re.findall(r'"([^"]*)"', strings))
    return found


def verify(content, published):
    """Each signature of the message by its algorithm: whether python3-dkim finds it good."""
    def txt(name, timeout=5):
        return published.get(name.decode(), "").encode() or None

    verdicts = {}
    for i, field in enumerate(signatures(content)):
        try:
            good = dkim.DKIM(content).verify(idx=i, dnsfunc=txt)
        except dkim.ValidationError:  # how it says that the body was changed
            good = False
        verdicts[re.search(rb" a=([\w-]+);", field)[1].decode()] = good
    return verdicts


def signatures(content):
    header = content.partition(b"\r\n\r\n")[0] + b"\r\n"
    return re.findall(rb"^DKIM-Signature:.*\r\n(?:[ \t].*\r\n)*", header, re.MULTILINE)
