// The ways of putting documents into a prompt, as data: linking itself and what it is compared
// with. docs/methods.md says what each does, whose it is, and where ours differs. Parsing is pure;
// the linker, recompute.h and the engine act on it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kvlink/status.h"
#include "link/plan.h"

namespace kvlink::link {

// As it stands, the method "link".
struct Method {
  // Which of the documents' tokens are computed again for each prompt.
  enum class Recompute : uint8_t {
    kNothing,
    kFirst,     // the first `first` of each document
    kDeviates,  // the share `fraction` whose values differ most from full attention's
    kAttended,  // the share `fraction` that the question attends to most
  };

  std::string name = "link";  // as it was asked for
  bool documents = true;      // false: the request's documents are left out
  Layout layout = Layout::kLinked;
  bool adapter = true;          // the link file's, if it has one
  bool needs_adapter = false;   // makes no sense without one
  bool needs_no_links = false;  // makes no sense with K > 0
  bool reencoded = true;        // false: documents' keys keep the rotation of their own positions
  Recompute recompute = Recompute::kNothing;
  int32_t first = 0;
  double fraction = 0;
  bool behind_head = false;  // documents are encoded behind the head, and weighed:
  float temperature = 1, scale = 1;

  // Linking or full attention, not one of those to compare them with.
  bool is_main() const { return name == "link" || name == "full"; }
  // Linking, with tokens of documents computed again.
  bool extends_link() const { return name.starts_with("link+"); }
};

// kInvalidArgument names the methods there are, or what a number may be.
Result<Method> ParseMethod(std::string_view text);

// Their names with commas between them, as ParseMethods reads them.
std::string NamesOf(std::span<const Method> methods);

// A list with commas between methods: "full,ape:0.9,0.9,link" is three, since ape's numbers hold a
// comma of their own. kInvalidArgument also for a method that is named twice.
Result<std::vector<Method>> ParseMethods(std::string_view list);

}  // namespace kvlink::link
