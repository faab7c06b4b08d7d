// Runs Python scripts that stand beside the tests, as second implementations.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "support/tiny_model.h"

namespace kvlink::testing {

// KVLINK_PYTHON names another interpreter, one that has the packages.
inline std::string Python() {
  const char* python = std::getenv("KVLINK_PYTHON");
  return python != nullptr && *python != '\0' ? python : "python3";
}

// Whether the statement runs.
inline bool PythonCan(const std::string& statement) {
  std::string command = "'";
  command += Python() + "' -c '" + statement + "' >/dev/null 2>&1";
  return std::system(command.c_str()) == 0;
}

// The lines that tests/eval/SCRIPT writes when it reads `input`; none if it fails.
inline std::vector<std::string> RunPython(const std::string& script, const std::string& input) {
  const TempDir dir;
  const std::string in = dir / "in", out = dir / "out";
  std::ofstream(in, std::ios::binary) << input;
  std::string command = "PYTHONIOENCODING=utf-8 '";
  command +=
      Python() + "' -B '" + TreePath("tests/eval/" + script) + "' <'" + in + "' >'" + out + "'";
  std::vector<std::string> lines;
  if (std::system(command.c_str()) != 0) return lines;
  std::ifstream results(out, std::ios::binary);
  for (std::string line; std::getline(results, line);) lines.push_back(line);
  return lines;
}

}  // namespace kvlink::testing
