// What a Jinja chat template may write, read from its text without running it: each run of output
// between two statements, with marks where values stand, and for which messages it is written. Not
// here: what expressions and conditions come to (jinja_scope.h), what the outputs mean
// (chat_template.h).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/jinja_scope.h"

namespace kvlink::text {

struct JinjaOutput {
  std::string text;  // with the marks of text/jinja_scope.h, but for those of lists
  // Whether the branches around it may be taken: for a message of that role in a loop over
  // messages, for the whole conversation elsewhere.
  bool for_system = true, for_user = true;
  bool in_loop = false;
};

struct JinjaOutputs {
  std::vector<JinjaOutput> outputs;  // in order; none is empty or never written
  // False: a statement or control character that changes what is written, or too large.
  bool understood = true;
};

// Pure. `eos`: what eos_token stands for. White space as Hugging Face's renderer treats it
// (trim_blocks, lstrip_blocks).
JinjaOutputs ReadJinjaOutputs(std::string_view source, std::string_view eos);

}  // namespace kvlink::text
