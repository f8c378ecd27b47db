# msgpack-c by the two names that it has had: msgpack-c since version 5 (Debian
# 13), whose pkg-config file has a relative include folder in Debian, so that
# its CMake package is asked first; msgpack before (Debian 12). Makes the
# target Msgpack::msgpack, and MSGPACK_LIBRARIES, the names to link with.
find_package(msgpack-c CONFIG QUIET)
if(TARGET msgpack-c)
  set(MSGPACK_LIBRARIES msgpack-c)
  add_library(Msgpack::msgpack ALIAS msgpack-c)
else()
  pkg_search_module(MSGPACK REQUIRED IMPORTED_TARGET msgpack-c msgpack)
  add_library(Msgpack::msgpack ALIAS PkgConfig::MSGPACK)
endif()
