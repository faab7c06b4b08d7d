// The fixed, small set of questions by which links are gated: texts and questions of our own
// invention (share/gate.json), so that no model knows the answers and every installation asks the
// same. Not here: measuring (eval/quality_gate.h).
#pragma once

#include <string_view>
#include <vector>

#include "data/example.h"
#include "kvlink/status.h"

namespace kvlink::eval {

// share/gate.json as it was built in.
std::string_view BuiltInGateSet();

// {"texts": [{"title", "text"}], "questions": [{"id", "question", "answers", "gold": [title]}]}:
// each question over its gold texts and those of the others that share most words with it, ten in
// all. kInvalidArgument names what is wrong.
Result<std::vector<data::Example>> ReadGateSet(std::string_view json);

}  // namespace kvlink::eval
