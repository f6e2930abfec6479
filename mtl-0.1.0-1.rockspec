-- `luarocks make` in a checkout builds mtl and installs the module for Lua 5.4, and the program beside it.
package = "mtl"
version = "0.1.0-1"
source = { url = "." }
description = {
  summary = "Multi-task learning: recipes of one page of Lua, trained by a C core",
  license = "MIT",
}
dependencies = { "lua >= 5.4, < 5.5" }
build = {
  type = "cmake",
  variables = {
    CMAKE_BUILD_TYPE = "Release",
    CMAKE_INSTALL_PREFIX = "$(PREFIX)",
    CMAKE_INSTALL_LIBDIR = "c", -- what lies in lib/ of a rock is taken for Lua modules
    MTL_LUA_DIR = "$(LUADIR)",
    MTL_LUA_CDIR = "$(LIBDIR)",
    MTL_TESTS = "OFF",
  },
}
