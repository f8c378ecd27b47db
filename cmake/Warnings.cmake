# The warnings that this project is kept free of, with gcc 12.
# WARREN_WERROR (on in ./dev test) makes them errors.
set(WARREN_WARNINGS
  -Wall -Wextra -Wpedantic
  -Wconversion            # lengths and counters narrow only where it is said
  -Wshadow -Wundef -Wvla
  -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
  -Wformat=2 -Wwrite-strings -Wcast-align -Wcast-qual -Wpointer-arith
  -Wswitch-enum -Wimplicit-fallthrough -Wdouble-promotion)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  # The more is inlined, the more is guessed across functions, and warned of
  # where nothing is wrong: by later ones, and in builds for speed.
  if(CMAKE_C_COMPILER_VERSION VERSION_LESS 13 AND WARREN_SANITIZE)
    list(APPEND WARREN_WARNINGS -Wnull-dereference)
  endif()
  list(APPEND WARREN_WARNINGS
    -Wlogical-op -Wduplicated-cond -Wduplicated-branches -Wtrampolines)
else()
  # Pragmas in the sources name gcc's warnings too.
  list(APPEND WARREN_WARNINGS -Wnull-dereference -Wno-unknown-warning-option)
endif()
if(WARREN_WERROR)
  list(APPEND WARREN_WARNINGS -Werror)
endif()
