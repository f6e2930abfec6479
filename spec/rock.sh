#!/bin/sh
# Builds the rock of this source tree into a folder of its own, and uses it: spec/rock.sh SOURCE
set -eu
source=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$source/spec/copy.sh" "$source" "$folder/source"
cd "$folder/source"
export CMAKE_BUILD_PARALLEL_LEVEL="$(nproc)" # make would take one core
luarocks --lua-version 5.4 make --tree "$folder/tree" mtl-*.rockspec >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }

unset MTL_HOME LUA_PATH LUA_CPATH || true
"$folder/tree/bin/mtl" check "$source/recipes/multimnist.lua" >/dev/null
eval "$(luarocks --lua-version 5.4 --tree "$folder/tree" path)"
cd "$folder"
lua5.4 -e 'local mtl = require "mtl"
  assert(mtl.tensor { 1, 2 }:sum():item() == 3)
  mtl.dataset("multimnist", { batch = 8 })'
echo "rock: good"
