# libwarren: src/lib on the floors below it, shared and static. Both show
# nothing but warren_*: the shared one because everything else is compiled
# hidden, the static one because it is linked into one object whose hidden
# symbols are then made local.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/lib/*.c)
add_library(warren_lib OBJECT ${sources})
target_compile_options(warren_lib PRIVATE ${WARREN_WARNINGS})
target_link_libraries(warren_lib PUBLIC warren_node)

# What it stands on.
set(floors warren_node warren_provider warren_store warren_tunnel warren_stream
  warren_dht warren_wire warren_base)

add_library(warren_shared SHARED)
target_link_libraries(warren_shared PRIVATE warren_lib warren_node)
# Who uses it makes the loop that it runs on, and links with what makes loops.
target_link_libraries(warren_shared INTERFACE event_core)
# The structures may grow until version 1.
set_target_properties(warren_shared PROPERTIES OUTPUT_NAME warren
  EXPORT_NAME warren VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})

set(object ${PROJECT_BINARY_DIR}/warren_all.o)
list(TRANSFORM floors REPLACE "(.+)" "$<TARGET_FILE:\\1>"
  OUTPUT_VARIABLE archives)
add_custom_command(OUTPUT ${object}
  COMMAND ${CMAKE_LINKER} -r -o ${object} $<TARGET_OBJECTS:warren_lib>
    --start-group ${archives} --end-group
  COMMAND ${CMAKE_OBJCOPY} --localize-hidden ${object}
  DEPENDS warren_lib $<TARGET_OBJECTS:warren_lib> ${floors}
  COMMENT "Linking libwarren.a into one object"
  COMMAND_EXPAND_LISTS VERBATIM)
add_library(warren_static STATIC ${object})
set_target_properties(warren_static PROPERTIES OUTPUT_NAME warren
  LINKER_LANGUAGE C)
target_link_libraries(warren_static INTERFACE ${SODIUM_LIBRARIES}
  ${MSGPACK_LIBRARIES} ${MD_LIBRARIES} ${SQLITE_LIBRARIES} ${EVENT_LIBRARIES}
  ${CARES_LIBRARIES} ${NGTCP2_LIBRARIES} m)

foreach(library warren_shared warren_static)
  target_include_directories(${library} INTERFACE
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endforeach()

# ---- What is installed -------------------------------------------------------

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/warren)
install(FILES ${PROJECT_SOURCE_DIR}/include/warren.h
  ${PROJECT_SOURCE_DIR}/include/warren_provider.h
  ${PROJECT_SOURCE_DIR}/include/warren_dht.h
  ${PROJECT_SOURCE_DIR}/include/warren_send.h
  ${PROJECT_SOURCE_DIR}/include/warren_service.h
  ${PROJECT_SOURCE_DIR}/include/warren_stream.h TYPE INCLUDE)
install(TARGETS warren_shared warren_static EXPORT warren)
install(EXPORT warren NAMESPACE warren:: FILE warrenConfig.cmake
  DESTINATION ${package})
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/warrenConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/warrenConfigVersion.cmake
  DESTINATION ${package})

file(RELATIVE_PATH to_lib ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig
  ${CMAKE_INSTALL_FULL_LIBDIR})
file(RELATIVE_PATH to_include ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig
  ${CMAKE_INSTALL_FULL_INCLUDEDIR})
list(TRANSFORM MSGPACK_LIBRARIES PREPEND -l OUTPUT_VARIABLE msgpack)
list(JOIN msgpack " " msgpack)
configure_file(cmake/warren.pc.in warren.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/warren.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
