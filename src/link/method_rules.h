// The methods of docs/methods.md as data: what each asks of the plan, the linker, recompute.h and
// the engine.
#pragma once

#include <cstdint>
#include <optional>

#include "kvlink/method.h"
#include "link/plan.h"
#include "tensor/attention.h"

namespace kvlink::link {

// Which of the documents' tokens are computed again for each prompt.
enum class Recompute : uint8_t {
  kNothing,
  kFirst,     // the first `first` of each document
  kDeviates,  // the share `fraction` whose values differ most from full attention's
  kAttended,  // the share `fraction` that the question attends to most
};

// As it stands, of linking.
struct MethodRules {
  Method method;               // whose rules these are
  bool uses_documents = true;  // false: the request's documents are left out
  Layout layout = Layout::kLinked;
  bool adapter = true;          // the link file's, if it has one
  bool needs_adapter = false;   // makes no sense without one
  bool needs_no_links = false;  // makes no sense with K > 0
  bool reencoded = true;        // false: documents' keys keep the rotation of their own positions
  Recompute recompute = Recompute::kNothing;
  int32_t first = 0;
  double fraction = 0;
  std::optional<tensor::Ape> ape;  // set: documents are encoded behind the preamble, and weighed

  // Linking or full attention, not one of those to compare them with.
  bool is_main() const {
    return method.kind == MethodKind::kLink || method.kind == MethodKind::kFull;
  }
  // Linking, with tokens of documents computed again.
  bool extends_link() const {
    return layout == Layout::kLinked && recompute != Recompute::kNothing;
  }
};

MethodRules RulesOf(const Method& method);

}  // namespace kvlink::link
