#!/bin/sh
# Installs a build into a folder of its own, and uses what lies there as people will: spec/install.sh BUILD
set -eu
export CMAKE_GENERATOR=Ninja # what the set-up installs; make may be missing
build=$1
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
cmake --install "$build" --prefix "$prefix" >/dev/null
lib=$(dirname "$(dirname "$(find "$prefix" -name mtl.pc)")")
unset MTL_HOME LUA_PATH LUA_CPATH || true
cd "$prefix"

echo "install: the program, with its recipes and data sets"
bin/mtl version >/dev/null
bin/mtl run share/mtl/recipes/toy.lua --out toy --quiet
bin/mtl check share/mtl/recipes/multimnist.lua >/dev/null

echo "install: what editors look for"
mkdir new
(cd new && ../bin/mtl new boats >/dev/null && grep -q "\"$(realpath ../share/doc/mtl/luals)\"" .luarc.json)

echo "install: a bundle"
bin/mtl pack share/mtl/recipes/toy.lua -o toy.mtl --weights toy --quiet
bin/mtl unpack toy.mtl -o unpacked --quiet
bin/mtl eval unpacked >/dev/null

echo "install: the module in a stock lua5.4"
LUA_PATH="$prefix/share/lua/5.4/?.lua;$prefix/share/lua/5.4/?/init.lua" LUA_CPATH="$(dirname "$(dirname "$(find "$prefix" -name core.so)")")/?.so" lua5.4 -e '
  local mtl = require "mtl"
  assert(mtl.tensor { 1, 2 }:sum():item() == 3)
  mtl.dataset("multimnist", { batch = 8 })
  local run = mtl.load("toy")
  assert(run:evaluate "test")
  io.open("wanted", "w"):write(("height %.4f\n"):format(run:predict(mtl.tensor { { 0.5, -1 } }).height[1]:item()))'

# The program on the page about C; what it says of the regression is what Lua says.
awk '/^```c$/ { on = 1; next } /^```/ { on = 0 } on' "$(find share/doc -name c-api.md)" >predict.c
check() {
  "$@" toy/checkpoint.safetensors 0.5 -1 >said
  [ "$(cut -d " " -f 1 said | tr "\n" " ")" = "side ring height " ] && [ "$(tail -n 1 said)" = "$(cat wanted)" ]
}
echo "install: pkg-config"
PKG_CONFIG_PATH="$lib/pkgconfig" sh -c '${CC:-cc} predict.c -o predict $(pkg-config --cflags --libs mtl libcjson)'
check env LD_LIBRARY_PATH="$lib" ./predict

echo "install: find_package(mtl)"
mkdir user
cat >user/CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.22)
project(user C)
find_package(mtl 0.1 REQUIRED)
add_executable(predict ../predict.c)
target_link_libraries(predict mtl::mtl cjson)
END
cmake -S user -B user/build -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build user/build >/dev/null
check user/build/predict

echo "install: man page and completions"
grep -q '^.SS mtl run' "$prefix/share/man/man1/mtl.1"
bash -c '. share/bash-completion/completions/mtl
  COMP_WORDS=(mtl run --ini) COMP_CWORD=2; _mtl; [ "${COMPREPLY[*]}" = --init ]'
grep -q '^#compdef mtl' share/zsh/site-functions/_mtl
echo "install: good"
