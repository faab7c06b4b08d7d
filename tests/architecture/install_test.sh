#!/bin/sh
# Installs kvlink from a finished build, builds two examples against the installed package alone, runs
# them on a tiny model and checks that documents' blocks were reused.
#   install_test.sh CMAKE SOURCE BUILD CONFIG CXX WRITE_TINY
set -eu
cmake=$1 source=$2 build=$3 config=$4 cxx=$5 write_tiny=$6
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "install_test: $1" >&2
  exit 1
}

"$cmake" --install "$build" --config "$config" --prefix "$work/prefix" >"$work/install.log" ||
  fail "cmake --install failed: $(cat "$work/install.log")"

# The example and the prefix are all it gets: neither the sources nor the build are in reach of it.
for example in link_two ask_notes; do
  cp -r "$source/examples/$example" "$work/$example"
  "$cmake" -G Ninja -S "$work/$example" -B "$work/build-$example" \
    -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_BUILD_TYPE="$config" \
    -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF
  "$cmake" --build "$work/build-$example"
done

installed=$(find "$work/prefix/include" -type f | sed "s,$work/prefix/include/,," | sort)
public=$(cd "$source/include" && find . -name '*.h' | sed 's,^\./,,' | sort)
[ "$installed" = "$public" ] || fail "installed headers: expected $public, found $installed"
if grep -rlF -e "$source" -e "$build" "$work/prefix/lib" --include='*.cmake' | grep .; then
  fail "the installed package names the folder that it was built in"
fi

"$write_tiny" model "$work" tiny >/dev/null
"$work/build-link_two/link_two" "$work/tiny.gguf" >"$work/out" || fail "link_two failed"
cat "$work/out"
# Each document's block was used, whole.
documents=$(sed -n 's/^document [0-9]*: \([0-9]*\) tokens$/\1/p' "$work/out" | awk '{n += $1} END {print n}')
reused=$(sed -n 's/^tokens reused: \([0-9]*\) of [0-9]*$/\1/p' "$work/out")
[ "${documents:-0}" -gt 0 ] || fail "expected documents of some tokens, found '$documents'"
[ "${reused:-0}" -ge "$documents" ] || fail "expected $documents tokens to be reused, found '$reused'"

# A folder is indexed and asked over; the second time its blocks are there.
mkdir "$work/notes"
echo "The lighthouse of Orrin Bay was lit in 1874." >"$work/notes/harbour.txt"
for status in computed linked; do
  "$work/build-ask_notes/ask_notes" "$work/tiny.gguf" "$work/store" "$work/notes" \
    "When was the lighthouse lit?" >"$work/out" || fail "ask_notes failed"
  grep -q "^document [0-9a-f]*: $status$" "$work/out" ||
    fail "expected a document that is $status, found: $(cat "$work/out")"
done

# A wrong call is answered, not obeyed.
if "$work/build-link_two/link_two" "$work/missing.gguf" >"$work/out" 2>&1; then
  fail "link_two accepted a model that is not there"
fi
grep -q missing.gguf "$work/out" || fail "the error does not name the model: $(cat "$work/out")"
