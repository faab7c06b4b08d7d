// KVLINK_CHECK: for our own bugs only. No byte from a user, a file or the network may reach one.
#pragma once

#include <cstdio>
#include <cstdlib>

#define KVLINK_CHECK(condition)                                                           \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      std::fprintf(stderr, "kvlink: bug: %s at %s:%d\n", #condition, __FILE__, __LINE__); \
      std::abort();                                                                       \
    }                                                                                     \
  } while (false)
