# cmake --install: the program, libmtl with its headers, pkg-config and find_package(mtl), the Lua module
# for a stock lua5.4, recipes and data sets, the man page, completions and the manual.
include(CMakePackageConfigHelpers)

set(MTL_LUA_DIR ${CMAKE_INSTALL_DATADIR}/lua/5.4 CACHE STRING "Where Lua files are installed")
set(MTL_LUA_CDIR ${CMAKE_INSTALL_LIBDIR}/lua/5.4 CACHE STRING "Where Lua's C modules are installed")

install(TARGETS mtl_shared EXPORT mtl_targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY core/include/mtl DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS mtl_program RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS mtl_module LIBRARY DESTINATION ${MTL_LUA_CDIR}/mtl)
install(DIRECTORY lua/mtl DESTINATION ${MTL_LUA_DIR} FILES_MATCHING PATTERN "*.lua")
install(DIRECTORY recipes datasets DESTINATION ${CMAKE_INSTALL_DATADIR}/mtl)
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR})

# The man page and the completions say what the program itself says.
set(PAGES ${CMAKE_BINARY_DIR}/pages)
file(MAKE_DIRECTORY ${PAGES})
add_custom_command(OUTPUT ${PAGES}/mtl.1 ${PAGES}/mtl.bash ${PAGES}/_mtl
                   COMMAND mtl_program lua ${CMAKE_SOURCE_DIR}/scripts/pages.lua ${PAGES}
                   DEPENDS mtl_program ${CMAKE_SOURCE_DIR}/scripts/pages.lua)
add_custom_target(mtl_pages ALL DEPENDS ${PAGES}/mtl.1)
install(FILES ${PAGES}/mtl.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${PAGES}/mtl.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME mtl)
install(FILES ${PAGES}/_mtl DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)

file(RELATIVE_PATH MTL_PREFIX_FROM_PC ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/mtl.pc.in mtl.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/mtl.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
set(MTL_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/mtl)
install(EXPORT mtl_targets NAMESPACE mtl:: FILE mtl-targets.cmake DESTINATION ${MTL_CMAKE_DIR})
configure_package_config_file(cmake/mtl-config.cmake.in mtl-config.cmake INSTALL_DESTINATION ${MTL_CMAKE_DIR})
write_basic_package_version_file(mtl-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/mtl-config.cmake ${CMAKE_BINARY_DIR}/mtl-config-version.cmake
        DESTINATION ${MTL_CMAKE_DIR})
