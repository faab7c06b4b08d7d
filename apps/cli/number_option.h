// Numbers on the command line, in the environment and in the configuration file, checked before
// anything is converted: CLI11 reads -1 as 2^64 - 1 and 99999999999999999999 as the largest number
// it has. Both programs use them.
#pragma once

#include <CLI/CLI.hpp>

#include <cstdint>
#include <string>

namespace kvlink::cli {

// A size in bytes, 0 to 2^63 - 1: "1500", "20GB", "1.5 GiB", "1e9"; units are powers of 1024.
// Rewritten as decimal digits, for an int64_t.
CLI::Validator SizeOption();

// A whole number in decimal digits, least to most. Most is at most what the variable holds.
CLI::Validator WholeNumber(uint64_t least, uint64_t most);

// What CLI11 says of a value, naming what was expected and what found.
std::string InPlainWords(const std::string& complaint);

}  // namespace kvlink::cli
