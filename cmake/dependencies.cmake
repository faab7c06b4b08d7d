# Every third-party library, its version and where it comes from: Debian 12's packages.
find_package(PkgConfig REQUIRED)
find_package(OpenSSL 3.0 REQUIRED COMPONENTS Crypto)         # libssl-dev
find_package(SQLite3 3.40 REQUIRED)                          # libsqlite3-dev
find_package(ZLIB 1.2.13 REQUIRED)                           # zlib1g-dev
find_package(ICU 72 REQUIRED COMPONENTS uc i18n)              # libicu-dev
find_library(KVLINK_STEMMER stemmer REQUIRED)                # libstemmer-dev 2.2, which tells no version
find_package(OpenMP REQUIRED COMPONENTS CXX)                 # g++ (libgomp, as oneDNN uses it)
find_package(dnnl 2.6 REQUIRED CONFIG)                       # libdnnl-dev
find_package(hwy 1.0.3 REQUIRED CONFIG)                      # libhwy-dev
find_package(nlohmann_json 3.11 REQUIRED CONFIG)             # nlohmann-json3-dev
find_package(CLI11 2.1 REQUIRED CONFIG)                      # libcli11-dev
find_package(spdlog 1.10 REQUIRED CONFIG)                    # libspdlog-dev
find_package(tomlplusplus 3.3 REQUIRED CONFIG)               # libtomlplusplus-dev
pkg_check_modules(pcre2 REQUIRED IMPORTED_TARGET libpcre2-8>=10.42)  # libpcre2-dev
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash>=0.8.1)  # libxxhash-dev

# Readers of documents. A program built without one names the files that need it, and its package
# (src/retrieval/formats.cc); the tests need all of them.
set(KVLINK_READER_LIBRARIES "")
set(KVLINK_READER_MODULES "")  # "NAME;MODULE" each, for who links what is installed
function(kvlink_reader name)  # NAME PKG-CONFIG-MODULES...: sets KVLINK_HAS_<NAME>
  if(KVLINK_BUILD_TESTS)
    set(required REQUIRED)
  endif()
  pkg_check_modules(${name} ${required} IMPORTED_TARGET ${ARGN})
  if(${name}_FOUND)
    set(KVLINK_HAS_${name} ON PARENT_SCOPE)
    set(KVLINK_READER_LIBRARIES ${KVLINK_READER_LIBRARIES} PkgConfig::${name} PARENT_SCOPE)
    set(KVLINK_READER_MODULES "${KVLINK_READER_MODULES} \"${name};${ARGN}\"" PARENT_SCOPE)
  else()
    message(STATUS "${ARGN} was not found: the files that need it are not read")
  endif()
endfunction()
kvlink_reader(CMARK libcmark-gfm>=0.29)                      # libcmark-gfm-dev, -extensions-dev
kvlink_reader(GUMBO gumbo>=0.10.1)                           # libgumbo-dev
kvlink_reader(POPPLER poppler-cpp>=22.12)                    # libpoppler-cpp-dev
kvlink_reader(ARCHIVE libarchive>=3.6.2)                     # libarchive-dev
kvlink_reader(PUGIXML pugixml>=1.13)                         # libpugixml-dev
if(KVLINK_BUILD_TESTS)
  find_package(GTest 1.12 REQUIRED CONFIG)                   # libgtest-dev
  find_package(rapidcheck REQUIRED CONFIG)                   # librapidcheck-dev
endif()

# Torch (libtorch-dev, or a newer one on CMAKE_PREFIX_PATH): for kvlink-train alone.
set(KVLINK_TRAINER OFF)
if(NOT KVLINK_BUILD_TRAINER STREQUAL "OFF")
  if(KVLINK_BUILD_TRAINER STREQUAL "ON")
    find_package(Torch 1.13 REQUIRED)
  else()
    find_package(Torch 1.13 QUIET)
  endif()
  if(Torch_FOUND)
    set(KVLINK_TRAINER ON)
    # Its package may ask for flags (the C++ ABI above all); they are for the files that include it.
    # Its headers are the system's: their warnings are not ours.
    add_library(kvlink_torch INTERFACE)
    target_link_libraries(kvlink_torch INTERFACE ${TORCH_LIBRARIES})
    target_include_directories(kvlink_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
    separate_arguments(torch_flags UNIX_COMMAND "${TORCH_CXX_FLAGS}")
    target_compile_options(kvlink_torch INTERFACE ${torch_flags})
    # PyPI's Torch finds its CUDA libraries by its own run path, where the linker does not look.
    target_link_options(kvlink_torch INTERFACE -Wl,--allow-shlib-undefined)
    # For training in several processes, which Torch's headers need and do not bring (libgloo-dev).
    find_path(GLOO_INCLUDE_DIR gloo/rendezvous/store.h HINTS ${TORCH_INCLUDE_DIRS})
    set(KVLINK_GLOO OFF)
    if(GLOO_INCLUDE_DIR)
      set(KVLINK_GLOO ON)
    else()
      message(STATUS "Gloo was not found: kvlink-train trains in one process (libgloo-dev has it)")
    endif()
    # On several GPUs NCCL, whose header PyPI's Torch brings in a package beside it.
    set(KVLINK_NCCL OFF)
    if(KVLINK_GLOO AND TARGET torch_cuda)
      find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${TORCH_INSTALL_PREFIX}/../nvidia/nccl/include)
      if(NCCL_INCLUDE_DIR)
        set(KVLINK_NCCL ON)
        target_include_directories(kvlink_torch SYSTEM INTERFACE ${NCCL_INCLUDE_DIR})
      else()
        message(STATUS "NCCL was not found: several GPUs sum through the host's memory")
      endif()
    endif()
  else()
    message(STATUS "Torch was not found: kvlink-train is not built (libtorch-dev has it)")
  endif()
endif()
