# cmake --install: the public headers, the rooms' static libraries, and a package for
# find_package(kvlink), whose targets are kvlink::kvlink (C++) and kvlink::c (the shared library of
# kvlink/kvlink.h; pkg-config knows it as kvlink).
include(CMakePackageConfigHelpers)

set(kvlink_installed_rooms base text tensor formats kv model links link engine retrieval library)
list(TRANSFORM kvlink_installed_rooms PREPEND kvlink_ OUTPUT_VARIABLE kvlink_installed_targets)
set(kvlink_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/kvlink)

# The name that users link; `kvlink` itself is the program.
add_library(kvlink_public INTERFACE)
target_link_libraries(kvlink_public INTERFACE kvlink_library)
target_compile_features(kvlink_public INTERFACE cxx_std_20)
set_target_properties(kvlink_public PROPERTIES EXPORT_NAME kvlink)
add_library(kvlink::kvlink ALIAS kvlink_public)

install(TARGETS kvlink_public kvlink_capi ${kvlink_installed_targets} EXPORT kvlinkTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/kvlink DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
  FILES_MATCHING PATTERN "*.h")
install(EXPORT kvlinkTargets NAMESPACE kvlink:: DESTINATION ${kvlink_package_dir})

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/kvlinkConfig.cmake.in
  ${PROJECT_BINARY_DIR}/kvlinkConfig.cmake INSTALL_DESTINATION ${kvlink_package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/kvlinkConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/kvlinkConfig.cmake
  ${PROJECT_BINARY_DIR}/kvlinkConfigVersion.cmake DESTINATION ${kvlink_package_dir})

file(CONFIGURE OUTPUT kvlink.pc @ONLY CONTENT [[
prefix=@CMAKE_INSTALL_PREFIX@
libdir=${prefix}/@CMAKE_INSTALL_LIBDIR@
includedir=${prefix}/@CMAKE_INSTALL_INCLUDEDIR@

Name: kvlink
Description: @PROJECT_DESCRIPTION@
Version: @PROJECT_VERSION@
Libs: -L${libdir} -lkvlink
Cflags: -I${includedir}
]])
install(FILES ${PROJECT_BINARY_DIR}/kvlink.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
