// TempDir: a folder for one test, removed with everything in it.
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "support/tiny_model.h"

namespace kvlink::testing {

TempDir::TempDir() {
  const char* base = std::getenv("TMPDIR");
  std::string name =
      std::string(base != nullptr && *base != '\0' ? base : "/tmp") + "/kvlink-test-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) {
    std::perror(name.c_str());
    std::abort();  // no test can go on without it
  }
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace kvlink::testing
