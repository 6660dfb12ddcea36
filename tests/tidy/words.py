"""Words and shapes that have no place in the tree: unfinished work, long lines, control characters, big files."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
# A poll of a few milliseconds in a loop that waits for a condition is no sleep.
SLEEPS = re.compile(r"sleep_for\((std::chrono::)?([sS]econds|[mM]illiseconds\(\d\d)|usleep\(|"
                    r"time\.sleep\((?!POLL)")
LINES_MAX = {"tests": 800}  # a test is read case by case
LINES_MAX_CODE = 600
SUFFIXES = {".h", ".cc", ".py", ".sh", ".md", ".toml", ".txt", ".cmake", ".smtp"}


def tracked():
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True,
                         capture_output=True, text=True).stdout
    return [ROOT / line for line in out.splitlines()]


def main():
    problems = []
    for path in tracked():
        name = path.relative_to(ROOT).as_posix()
        if path.suffix not in SUFFIXES or not path.is_file() or "/corpus/" in name:
            continue
        text = path.read_text(errors="replace")
        lines = text.split("\n")
        code = path.suffix in {".h", ".cc"}
        lines_max = LINES_MAX.get(name.split("/")[0], LINES_MAX_CODE)
        if code and len(lines) > lines_max:
            problems.append(f"{name}: {len(lines)} lines (at most {lines_max})")
        for number, line in enumerate(lines, 1):
            where = f"{name}:{number}"
            if UNFINISHED.search(line) and path.name != "words.py":
                problems.append(f"{where}: unfinished work")
            if code and len(line) > 100:
                problems.append(f"{where}: {len(line)} columns")
            if name.startswith("tests/") and SLEEPS.search(line) and path.name != "words.py":
                problems.append(f"{where}: sleeps; wait for a condition instead")
            if any(ord(c) < 32 and c != "\t" for c in line) and path.suffix != ".smtp":
                problems.append(f"{where}: control character")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
