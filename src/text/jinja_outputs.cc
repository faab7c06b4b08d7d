#include "text/jinja_outputs.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

namespace kvlink::text {
namespace {

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsName(char c) {
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

// Of something that stands in the template, for each role that a message of ours has.
struct ByRole {
  Truth system = Truth::kYes, user = Truth::kYes;
  bool operator==(const ByRole&) const = default;
};
constexpr ByRole kAlways{}, kNever{Truth::kNo, Truth::kNo};

// One owner, one call of Read().
class Reader {
 public:
  Reader(std::string_view source, std::string_view eos) : source_(source), eos_(eos) {}

  JinjaOutputs Read() {
    if (source_.size() > kMostSource) result_.understood = false;
    if (source_.ends_with('\n')) source_.remove_suffix(1);
    for (const char c : source_) {
      if (c >= 0 && c <= kLastMark) result_.understood = false;
    }
    while (at_ < source_.size() && result_.understood) {
      const size_t tag = NextTag();
      Text(source_.substr(at_, tag - at_), tag);
      at_ = tag;
      if (at_ < source_.size()) Tag();
    }
    EndRun();
    if (!branches_.empty()) result_.understood = false;
    return std::move(result_);
  }

 private:
  // An if or a for, while its end has not come.
  struct Branch {
    bool loop = false;
    bool over_messages = false;  // the loop, all of them or all but the first
    ByRole holds;                // of the alternative that is being read
    ByRole left;                 // whether none of the alternatives before it was taken
    std::string outer_message;   // the scope's, as they were
    bool outer_without_first = false;
    std::map<std::string, std::optional<std::string>> before;  // what was set in it; none: nothing
    std::map<std::string, std::string> behind;                 // what of it may stand behind it
  };
  static constexpr size_t kMostBranches = 64;
  static constexpr size_t kMostSource = 1 << 18;
  static constexpr size_t kMostTaken = 1 << 20;  // by all outputs and variables

  size_t NextTag() const {
    for (size_t i = at_; i + 1 < source_.size(); ++i) {
      if (source_[i] == '{' &&
          (source_[i + 1] == '{' || source_[i + 1] == '%' || source_[i + 1] == '#')) {
        return i;
      }
    }
    return source_.size();
  }

  // Text between tags; `tag` is where the next one starts.
  void Text(std::string_view text, size_t tag) {
    if (strip_next_) {
      while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
    } else if (after_block_ && text.starts_with('\n')) {
      text.remove_prefix(1);
    }
    if (tag + 2 < source_.size()) {
      if (source_[tag + 2] == '-') {
        while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
      } else if (source_[tag + 1] != '{') {  // spaces at a line's start, before a block
        size_t begin = tag;
        while (begin > at_ && (source_[begin - 1] == ' ' || source_[begin - 1] == '\t')) --begin;
        if (begin == 0 || source_[begin - 1] == '\n') {
          text = text.substr(0, text.size() - std::min(text.size(), tag - begin));
        }
      }
    }
    Append(text);
  }

  void Append(std::string_view text) {
    if (Holds() == kNever || !MayTake(text.size())) return;
    run_ += text;
    if (run_.size() > kMostJinjaText) result_.understood = false;
  }

  bool MayTake(size_t bytes) {
    taken_ += bytes;
    if (taken_ > kMostTaken) result_.understood = false;
    return result_.understood;
  }

  void Tag() {
    const char kind = source_[at_ + 1];
    const std::string_view close = kind == '{' ? "}}" : kind == '%' ? "%}" : "#}";
    const size_t begin = at_ + 2;
    const size_t end = kind == '#' ? source_.find(close, begin) : EndOfTag(begin, close);
    if (end == std::string_view::npos) {
      result_.understood = false;
      return;
    }
    std::string_view inner = source_.substr(begin, end - begin);
    if (inner.starts_with('-') || inner.starts_with('+')) inner.remove_prefix(1);
    strip_next_ = inner.ends_with('-');
    if (strip_next_) inner.remove_suffix(1);
    after_block_ = kind != '{';
    at_ = end + 2;
    inner = Trimmed(inner);
    if (kind == '{') Output(inner);
    if (kind == '%') Statement(inner);
  }

  // Not within a string.
  size_t EndOfTag(size_t from, std::string_view close) const {
    char quote = 0;
    for (size_t i = from; i + 1 < source_.size(); ++i) {
      if (quote != 0) {
        if (source_[i] == '\\') {
          ++i;
        } else if (source_[i] == quote) {
          quote = 0;
        }
      } else if (source_[i] == '\'' || source_[i] == '"') {
        quote = source_[i];
      } else if (source_.substr(i, 2) == close) {
        return i;
      }
    }
    return std::string_view::npos;
  }

  void Output(std::string_view inner) {
    if (inner.starts_with("raise_exception(")) {
      EndRun();
      const ByRole holds = Holds();
      if (holds.system == Truth::kYes || holds.user == Truth::kYes) result_.understood = false;
      return;
    }
    const std::string value = Value(inner);
    const bool list = value.find_first_of("\5\6") != std::string::npos;
    Append(list ? std::string(1, kMarkOther) : value);
  }

  // A beginning that stands before every message is none of the prompt's.
  std::string Value(std::string_view expression) {
    std::optional<std::string> value =
        JinjaValue(expression, OnceAtMost() ? kMarkBos : kMarkOther, eos_, scope_);
    if (!value) result_.understood = false;
    return std::move(value).value_or("");
  }

  void Statement(std::string_view inner) {
    EndRun();
    const size_t space = std::min(inner.find_first_of(" \t\n("), inner.size());
    const std::string_view word = inner.substr(0, space);
    const std::string_view rest = Trimmed(inner.substr(space));
    if (word == "set") {
      Set(rest);
    } else if (word == "if") {
      Branch branch;
      branch.holds = Of(rest);
      branch.left = Both(branch.left, branch.holds, /*negated=*/true);
      Push(std::move(branch));
    } else if (word == "for") {
      For(rest);
    } else if ((word == "elif" || word == "else") && !branches_.empty()) {
      EndAlternative();
      Branch& branch = branches_.back();
      if (branch.loop) {  // of a list that is empty
        branch.holds = branch.over_messages ? kNever : ByRole{Truth::kUnknown, Truth::kUnknown};
        return;
      }
      const ByRole holds = word == "elif" ? Of(rest) : kAlways;
      branch.holds = Both(branch.left, holds, /*negated=*/false);
      branch.left = Both(branch.left, holds, /*negated=*/true);
    } else if ((word == "endif" || word == "endfor") && !branches_.empty()) {
      EndBranch();
    } else if (word == "break" || word == "continue") {
      if (Holds() != kNever) result_.understood = false;
    } else if (word != "generation" && word != "endgeneration") {
      result_.understood = false;  // a macro, an include, ...
    }
  }

  ByRole Of(std::string_view condition) const {
    return {JinjaCondition(condition, "system", scope_), JinjaCondition(condition, "user", scope_)};
  }

  static ByRole Both(const ByRole& a, const ByRole& b, bool negated) {
    return {And(a.system, negated ? Not(b.system) : b.system),
            And(a.user, negated ? Not(b.user) : b.user)};
  }

  // Whether what stands here is written, by the role of the message.
  ByRole Holds() const {
    ByRole holds;
    for (const Branch& branch : branches_) holds = Both(holds, branch.holds, /*negated=*/false);
    return holds;
  }

  void Push(Branch branch) {
    branch.outer_message = scope_.message;
    branch.outer_without_first = scope_.without_first;
    branches_.push_back(std::move(branch));
    if (branches_.size() > kMostBranches) result_.understood = false;
  }

  void For(std::string_view rest) {
    const size_t in = rest.find(" in ");
    const std::string_view name = Trimmed(rest.substr(0, in));
    const std::string list = in == std::string_view::npos ? "" : Value(rest.substr(in + 4));
    const bool without_first = list == std::string(1, kMarkRest);
    const bool all = list == std::string(1, kMarkMessages);
    Branch branch;
    branch.loop = true;
    branch.over_messages = (all || without_first) && IsVariable(name);
    if (without_first) branch.holds.system = Truth::kNo;
    const bool over_messages = branch.over_messages;
    Push(std::move(branch));
    if (over_messages) {
      scope_.message = name;
      scope_.without_first = without_first;
    } else {
      for (size_t at = 0; at < name.size();) {  // "key, value"
        const size_t comma = std::min(name.find(',', at), name.size());
        Assign(std::string(Trimmed(name.substr(at, comma - at))), std::string(1, kMarkOther));
        at = comma + 1;
      }
    }
  }

  void Set(std::string_view rest) {
    const size_t equals = rest.find('=');
    const std::string_view name = Trimmed(rest.substr(0, equals));
    if (equals == std::string_view::npos || !IsVariable(name) || name == scope_.message) {
      result_.understood = false;  // a block that is set, several names at once
      return;
    }
    if (Holds() != kNever) Assign(std::string(name), Value(rest.substr(equals + 1)));
  }

  // "x", or "x.y" of a namespace.
  static bool IsVariable(std::string_view name) {
    return !name.empty() &&
           std::all_of(name.begin(), name.end(), [](char c) { return IsName(c) || c == '.'; });
  }

  void Assign(const std::string& name, std::string value) {
    if (!MayTake(name.size() + value.size())) return;
    const auto found = scope_.variables.find(name);
    const auto scope = std::find_if(branches_.rbegin(), branches_.rend(),
                                    [](const Branch& b) { return b.loop || b.holds != kAlways; });
    if (scope != branches_.rend()) {
      scope->before.try_emplace(name, found == scope_.variables.end()
                                          ? std::nullopt
                                          : std::optional<std::string>(found->second));
    }
    scope_.variables.insert_or_assign(name, std::move(value));
  }

  // Behind an alternative that may or may not be taken, what was set in it is either: not known,
  // but for a BOS that was put in front of it for the first message.
  void EndAlternative() {
    Branch& branch = branches_.back();
    for (auto& [name, before] : branch.before) {
      std::string& value = scope_.variables[name];
      if (!branch.loop && value != before) {  // what a loop sets ends with each of its rounds
        const bool once = before && value == std::string(1, kMarkBos) + *before;
        const auto [behind, is_new] = branch.behind.try_emplace(name, value);
        if (!once || (!is_new && behind->second != value)) behind->second = kMarkOther;
      }
      if (before) {
        value = *std::move(before);
      } else {
        scope_.variables.erase(name);
      }
    }
    branch.before.clear();
  }

  void EndBranch() {
    EndAlternative();
    const Branch branch = std::move(branches_.back());
    branches_.pop_back();
    scope_.message = branch.outer_message;
    scope_.without_first = branch.outer_without_first;
    for (const auto& [name, value] : branch.behind) Assign(name, value);
  }

  int64_t Loops() const {
    return std::count_if(branches_.begin(), branches_.end(),
                         [](const Branch& b) { return b.loop; });
  }
  // What stands here is outside loops, or written for the first message alone.
  bool OnceAtMost() const {
    return Loops() == 0 || (!scope_.without_first && Holds().user == Truth::kNo);
  }

  void EndRun() {
    if (run_.empty()) return;
    const ByRole holds = Holds();
    // How often it is written is not known, or not once a message.
    const int64_t loops = Loops();
    if (loops > 1 || (loops == 1 && scope_.message.empty())) result_.understood = false;
    if (!MayTake(sizeof(JinjaOutput))) return;
    result_.outputs.push_back(
        {std::exchange(run_, {}), holds.system != Truth::kNo, holds.user != Truth::kNo, loops > 0});
  }

  std::string_view source_, eos_;
  size_t at_ = 0;
  bool strip_next_ = false;   // the tag before ended with "-"
  bool after_block_ = false;  // it was a statement or comment: a line end behind it goes
  std::string run_;
  std::vector<Branch> branches_;
  JinjaScope scope_;
  size_t taken_ = 0;
  JinjaOutputs result_;
};

}  // namespace

JinjaOutputs ReadJinjaOutputs(std::string_view source, std::string_view eos) {
  return Reader(source, eos).Read();
}

}  // namespace kvlink::text
