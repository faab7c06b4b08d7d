# Every third-party library, its version and where it comes from: Debian 12's packages.
find_package(PkgConfig REQUIRED)
find_package(OpenSSL 3.0 REQUIRED COMPONENTS Crypto)         # libssl-dev
find_package(SQLite3 3.40 REQUIRED)                          # libsqlite3-dev
find_package(ZLIB 1.2.13 REQUIRED)                           # zlib1g-dev
find_package(OpenMP REQUIRED COMPONENTS CXX)                 # g++ (libgomp, as oneDNN uses it)
find_package(dnnl 2.6 REQUIRED CONFIG)                       # libdnnl-dev
find_package(hwy 1.0.3 REQUIRED CONFIG)                      # libhwy-dev
find_package(nlohmann_json 3.11 REQUIRED CONFIG)             # nlohmann-json3-dev
find_package(CLI11 2.1 REQUIRED CONFIG)                      # libcli11-dev
find_package(spdlog 1.10 REQUIRED CONFIG)                    # libspdlog-dev
pkg_check_modules(pcre2 REQUIRED IMPORTED_TARGET libpcre2-8>=10.42)  # libpcre2-dev
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash>=0.8.1)  # libxxhash-dev
if(KVLINK_BUILD_TESTS)
  find_package(GTest 1.12 REQUIRED CONFIG)                   # libgtest-dev
  find_package(rapidcheck REQUIRED CONFIG)                   # librapidcheck-dev
endif()
