"""Runs clang-tidy over the project's sources: clang.py BUILD_FOLDER (its compile_commands.json tells how).

What was clean before is not looked at again while nothing it includes has changed: a stamp named after the
preprocessed text is kept in the user's cache folder. The tests' own sources are left to the compiler's warnings.
"""

import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = "clang-tidy-14"
STAMPS = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "postrider-tidy"
STAMP_AGE_MAX = 30 * 86400  # seconds
UNIT_SECONDS_MAX = 600  # a bound against hanging


def units(build):
    """(file, preprocessor command, its folder) of every compiler run that is not a test's."""
    for entry in json.loads((build / "compile_commands.json").read_text()):
        folder = pathlib.Path(entry["directory"])
        words = shlex.split(entry["command"])
        words = words[1:] if words[0].endswith("ccache") else words
        at = words.index("-o")
        if words[at + 1].startswith("tests/"):
            continue
        yield entry["file"], [*words[:at], "-E", "-C", *words[at + 2 :]], folder


def stamp_of(command, folder, salt):
    text = subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=UNIT_SECONDS_MAX).stdout
    return STAMPS / hashlib.sha256(salt + text.replace(str(ROOT).encode(), b"")).hexdigest()


def clean(build, file):
    found = subprocess.run([TOOL, "--quiet", "-p", str(build), "--extra-arg=-Wno-unknown-warning-option", file],
                           capture_output=True, text=True, timeout=UNIT_SECONDS_MAX)
    if found.returncode != 0:
        print(found.stdout, end="")
        if not found.stdout:
            print(found.stderr, end="")
    return found.returncode == 0


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    STAMPS.mkdir(parents=True, exist_ok=True)
    for stamp in STAMPS.iterdir():
        if time.time() - stamp.stat().st_mtime > STAMP_AGE_MAX:
            stamp.unlink(missing_ok=True)
    salt = (ROOT / ".clang-tidy").read_bytes() + subprocess.run([TOOL, "--version"], capture_output=True).stdout
    looked, known, dirty = 0, 0, 0
    for file, command, folder in units(build):
        stamp = stamp_of(command, folder, salt)
        if stamp.exists():
            stamp.touch()
            known += 1
        elif clean(build, file):
            stamp.touch()
            looked += 1
        else:
            dirty += 1
    print(f"clang-tidy: {looked} clean, {known} unchanged since they were, {dirty} not clean")
    return 0 if dirty == 0 and looked + known > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
