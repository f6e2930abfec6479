#!/bin/sh
# Copies what of a source tree belongs to it, as a fresh checkout would have it: spec/copy.sh SOURCE FOLDER
set -eu
mkdir "$2"
cd "$1"
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
  git ls-files -z -co --exclude-standard | tar --null --ignore-failed-read -T - -cf - 2>/dev/null
else
  tar --exclude './build*' --exclude ./runs -cf - .
fi | tar -C "$2" -xf -
