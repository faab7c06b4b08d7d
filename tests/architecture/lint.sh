#!/bin/bash
# clang-format over every tracked C++ file and clang-tidy over the changed ones. Exits 1 on findings,
# 2 if a tool or the build folder is missing.
#   tests/architecture/lint.sh [--all] [-p BUILD] [FILE...]
# --all: clang-tidy over every tracked .cc. FILE...: over these. Otherwise: over those that differ from
# the last commit, and those of the last commit itself. BUILD: a configured build folder (its
# compile_commands.json is read); by default the first of build/debug, build/release, build/asan.
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() {
  sed -n '2,7s/^# \{0,1\}//p' tests/architecture/lint.sh >&2
  exit 2
}
all=false build='' files=()
while [ $# -gt 0 ]; do
  case $1 in
    --all) all=true ;;
    -p) [ $# -gt 1 ] || usage; build=$2; shift ;;
    -*) usage ;;
    *) files+=("$1") ;;
  esac
  shift
done
for tool in clang-format clang-tidy; do
  command -v $tool >/dev/null || { echo "lint: $tool is missing: apt-get install $tool" >&2; exit 2; }
done

findings=0
mapfile -t sources < <(git ls-files --cached -- '*.cc' '*.h' | while read -r f; do [ -f "$f" ] && echo "$f"; done)
[ ${#sources[@]} -gt 0 ] || { echo "lint: git lists no C++ files here" >&2; exit 2; }
echo "clang-format: ${#sources[@]} files"
clang-format --dry-run -Werror "${sources[@]}" || findings=1

if $all; then
  mapfile -t files < <(printf '%s\n' "${sources[@]}" | grep '\.cc$')
elif [ ${#files[@]} -eq 0 ]; then
  mapfile -t files < <({ git diff --name-only HEAD -- '*.cc'
                         git diff-tree -r --root --no-commit-id --name-only HEAD -- '*.cc'; } | sort -u |
                       while read -r f; do [ -f "$f" ] && echo "$f"; done)
fi
echo "clang-tidy: ${#files[@]} files"
if [ ${#files[@]} -gt 0 ]; then
  for folder in ${build:-build/debug build/release build/asan}; do
    [ -f "$folder/compile_commands.json" ] && { build=$folder; break; }
  done
  if [ ! -f "${build:-.}/compile_commands.json" ]; then
    echo "lint: no compile_commands.json in ${build:-build/*}: configure first (cmake --preset debug)" >&2
    exit 2
  fi
  # What this build does not compile (fuzzers, the trainer without Torch) cannot be looked at.
  mapfile -t files < <(for f in "${files[@]}"; do
                         # clang 14 takes Torch 1.13's headers, read as C++20, for wrong.
                         case $f in src/train/*|tests/train/*) continue ;; esac
                         if grep -qF "/$f\"" "$build/compile_commands.json"; then echo "$f"
                         else echo "lint: not in $build, skipped: $f" >&2; fi
                       done)
  # g++ knows a few options that clang does not; that is no finding.
  printf '%s\0' "${files[@]}" |
    xargs -0 -n 1 -P "$(nproc)" clang-tidy --quiet -p "$build" \
      --extra-arg=-Wno-unknown-warning-option 2> >(grep -v 'warnings generated' >&2) || findings=1
fi
[ $findings -eq 0 ] && echo "lint: clean"
exit $findings
