#!/bin/bash
# run.sh PROGRAM WRITE_TINY LIBRARY: runs the C program over a tiny model, and looks at what the
# library shows to others.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$1" "$("$2" model "$work" tiny)" "$work/store"
if shown=$(nm -D --defined-only "$3" | awk '{print $3}' | grep -v '^kvlink_'); then
  echo "the library shows more than kvlink_*: $(echo "$shown" | head -3)" >&2
  exit 1
fi
