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

echo "install: a bundle"
bin/mtl pack share/mtl/recipes/toy.lua -o toy.mtl --weights toy --quiet
bin/mtl unpack toy.mtl -o unpacked --quiet
bin/mtl eval unpacked >/dev/null

echo "install: the module in a stock lua5.4"
LUA_PATH="$prefix/share/lua/5.4/?.lua;$prefix/share/lua/5.4/?/init.lua" LUA_CPATH="$(dirname "$(dirname "$(find "$prefix" -name core.so)")")/?.so" lua5.4 -e '
  local mtl = require "mtl"
  assert(mtl.tensor { 1, 2 }:sum():item() == 3)
  mtl.dataset("multimnist", { batch = 8 })
  assert(mtl.load("toy"):evaluate "test")'

cat >use.c <<'END'
#include <mtl/mtl.h>
#include <stdio.h>
int main(int argc, char **argv)
{
    mtl_context *ctx = NULL;
    mtl_safetensors *file = NULL;
    if (argc < 2 || mtl_context_new(1, &ctx) != MTL_OK || mtl_safetensors_read(ctx, argv[1], &file) != MTL_OK)
        return 1;
    printf("%d tensors\n", (int)mtl_safetensors_count(file));
    mtl_safetensors_free(file);
    mtl_context_free(ctx);
    return 0;
}
END
echo "install: pkg-config"
PKG_CONFIG_PATH="$lib/pkgconfig" sh -c '${CC:-cc} use.c -o use $(pkg-config --cflags --libs mtl)'
LD_LIBRARY_PATH="$lib" ./use toy/checkpoint.safetensors

echo "install: find_package(mtl)"
mkdir user
cat >user/CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.22)
project(user C)
find_package(mtl 0.1 REQUIRED)
add_executable(use ../use.c)
target_link_libraries(use mtl::mtl)
END
cmake -S user -B user/build -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build user/build >/dev/null
user/build/use toy/checkpoint.safetensors

echo "install: man page and completions"
grep -q '^.SS mtl run' "$prefix/share/man/man1/mtl.1"
bash -c '. share/bash-completion/completions/mtl
  COMP_WORDS=(mtl run --ini) COMP_CWORD=2; _mtl; [ "${COMPREPLY[*]}" = --init ]'
grep -q '^#compdef mtl' share/zsh/site-functions/_mtl
echo "install: good"
