"""Every option that the help of a metric or the README names is in deploy/options.md, the page made from the table."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def known_options():
    section, names, sections = "", set(), set()
    for line in (ROOT / "deploy/options.md").read_text().splitlines():
        heading = re.match(r"## `\[+(\w+)\]+`", line)
        row = re.match(r"\| `(\w+)`", line)
        if heading:
            section = heading.group(1)
            sections.add(section)
        elif row:
            names.add(f"{section}.{row.group(1)}")
    return names, sections


def main():
    names, sections = known_options()
    if len(names) < 50:
        print("deploy/options.md: no options found")
        return 1
    problems = []
    # A file name such as tls.cc is no option.
    mention = re.compile(r"\b((?:%s)\.[a-z][a-z_0-9]+)\b(?!\()" % "|".join(sorted(sections)))
    catalog = re.sub(r'"\s*\n\s*"', "", (ROOT / "metrics/catalog.cc").read_text())
    for name, text in (("metrics/catalog.cc", catalog), ("README.md", (ROOT / "README.md").read_text())):
        for option in mention.findall(text):
            if option not in names and option.split(".")[1] not in ("h", "cc", "md"):
                problems.append(f"{name}: there is no option {option}")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
