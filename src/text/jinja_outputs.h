// What a Jinja chat template may write, read from its text without running it: each run of output
// between two statements, with marks where values stand, and the conditions around it. Not here:
// what the outputs mean (chat_template.h). Only joined strings are understood; all else is one
// mark.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kvlink {

// Marks in an output's text, none of which may stand in a template.
inline constexpr char kMarkBos = '\1';      // bos_token
inline constexpr char kMarkRole = '\2';     // a message's role
inline constexpr char kMarkContent = '\3';  // a message's content
inline constexpr char kMarkOther = '\4';    // any other expression

struct JinjaOutput {
  std::string text;
  // Of the branches around it, outermost first. One of an else holds the conditions that failed
  // before it, each behind "!".
  std::vector<std::string> conditions;
  bool in_loop = false;
};

struct JinjaOutputs {
  std::vector<JinjaOutput> outputs;  // in order; none is empty
  bool understood = true;  // false: a statement or control character that changes what is written
};

// Pure. `eos`: what eos_token stands for. White space as Hugging Face's renderer treats it
// (trim_blocks, lstrip_blocks).
JinjaOutputs ReadJinjaOutputs(std::string_view source, std::string_view eos);

}  // namespace kvlink
