// What a chat template's names and conditions come to where they stand, for a conversation of ours:
// a system text, then a question; no tools; a prompt for the answer wanted. Pure. Not here: which
// statements there are (jinja_outputs.h) and what is made of them (chat_template.h).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace kvlink::text {

// Marks in a value's text, none of which may stand in a template.
inline constexpr char kMarkBos = '\1';       // bos_token
inline constexpr char kMarkRole = '\2';      // a message's role
inline constexpr char kMarkContent = '\3';   // a message's content
inline constexpr char kMarkOther = '\4';     // any other expression
inline constexpr char kMarkMessages = '\5';  // the list of all messages; a value of its own
inline constexpr char kMarkRest = '\6';      // that of all but the first
inline constexpr char kLastMark = kMarkRest;

// Values above this are given up, so that a hostile template takes no memory to speak of.
inline constexpr size_t kMostJinjaText = 1 << 16;

struct JinjaScope {
  std::map<std::string, std::string, std::less<>> variables;  // what was set
  std::string message;         // the variable of the loop over messages; empty: outside of one
  bool without_first = false;  // that loop begins at the second message
};

// Joined strings, variables and a message's role or content; all else is kMarkOther. `bos`: what
// bos_token stands for. None: too large.
std::optional<std::string> JinjaValue(std::string_view expression, char bos, std::string_view eos,
                                      const JinjaScope& scope);

enum class Truth : uint8_t { kNo, kYes, kUnknown };
Truth Not(Truth a);
Truth And(Truth a, Truth b);

// Of an if's condition, where the message that is being written has this role ("system", "user").
Truth JinjaCondition(std::string_view condition, std::string_view role, const JinjaScope& scope);

}  // namespace kvlink::text
