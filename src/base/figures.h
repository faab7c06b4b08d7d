// Figures as people read them, in messages and tables. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace kvlink {

std::string FormatBytes(int64_t bytes);  // "1.4 GiB"
std::string FormatCount(int64_t n);      // "12,345"
// "1 document", "12,345 documents"
std::string FormatCounted(int64_t n, std::string_view singular);
std::string FormatMs(double ms);  // "3.1 ms", "12.4 s", "2:05 min"

}  // namespace kvlink
