#!/usr/bin/env bash
# clang-format on every source: the files that differ, and the command that mends them.
set -eu
cd "$(dirname "$0")/../.."
bad=$(git ls-files -co --exclude-standard '*.h' '*.cc' |
  xargs -P "$(nproc)" -n 20 sh -c 'for f; do [ ! -e "$f" ] || clang-format-14 --dry-run -Werror "$f" >/dev/null 2>&1 || echo "$f"; done' sh)
[ -z "$bad" ] && exit 0
printf 'not formatted:\n%s\n' "$bad"
echo "mend with: clang-format-14 -i $(echo "$bad" | tr '\n' ' ')"
exit 1
