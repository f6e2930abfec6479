#!/bin/sh
# Does in a fresh copy of a source tree what README.md says of it, but that recipes train for two steps in place of their
# epochs: spec/checkout.sh SOURCE. Exit status 77 where there are no Debian packages to look for.
set -eu
source=$1
command -v dpkg-query >/dev/null || { echo "skipped: scripts/setup wants a Debian"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$source/spec/copy.sh" "$source" "$folder/mtl"
cd "$folder/mtl"
unset MTL_HOME LUA_PATH LUA_CPATH || true
sed -i -E 's/when\.epochs\([0-9]+\)/when.steps(2)/' recipes/*.lua
awk '/^```/ { on = index($0, "(run by: spec/checkout.sh)"); next } on' README.md >"$folder/commands"
cat "$folder/commands"
sh -e "$folder/commands"
[ -e runs/multimnist-*/report.html ]
echo "checkout: good"
