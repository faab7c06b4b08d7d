# kvlink_room(NAME LINKS ...): one room of the house: a static library of every .cc in src/NAME.
function(kvlink_room name)
  cmake_parse_arguments(ROOM "" "" "LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cc)
  add_library(kvlink_${name} STATIC ${sources})
  target_include_directories(kvlink_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(kvlink_${name} PUBLIC ${ROOM_LINKS})
endfunction()

# kvlink_tests(NAME LINKS ...): one GoogleTest program of every *_test.cc in tests/NAME.
function(kvlink_tests name)
  cmake_parse_arguments(TESTS "" "" "LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/${name}/*_test.cc)
  if(NOT sources)
    return()
  endif()
  add_executable(${name}_test ${sources})
  target_include_directories(${name}_test PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(${name}_test PRIVATE ${TESTS_LINKS} kvlink_test_support
    GTest::gtest_main rapidcheck)
  # Nothing of a test is hot, and it is compiled a third faster so.
  target_compile_options(${name}_test PRIVATE $<$<NOT:$<CONFIG:Debug>>:-O1>)
  # Tests run side by side: threads that wait for work must not spin on a core another test needs.
  gtest_discover_tests(${name}_test TEST_PREFIX ${name}. DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT 900 LABELS ${name} ENVIRONMENT "OMP_WAIT_POLICY=passive")
endfunction()
