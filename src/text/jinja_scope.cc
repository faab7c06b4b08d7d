#include "text/jinja_scope.h"

#include <algorithm>
#include <array>
#include <vector>

namespace kvlink::text {
namespace {

constexpr int kMostParentheses = 32;

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsNumeral(char c) { return c >= '0' && c <= '9'; }
bool IsName(char c) {
  return c == '_' || IsNumeral(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

bool HasMark(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return c > 0 && c <= kLastMark; });
}

// x.role, x['role'], x[0]["role"], x[1:].
struct Reference {
  std::string_view root;
  std::vector<std::string_view> fields;  // what is no string begins with its bracket: "[1:"
};

// At *at, which moves behind it. False: there is no name.
bool ReadReference(std::string_view text, size_t* at, Reference* out) {
  const auto name = [&] {
    const size_t begin = *at;
    while (*at < text.size() && IsName(text[*at])) ++*at;
    return text.substr(begin, *at - begin);
  };
  out->root = name();
  if (out->root.empty()) return false;
  while (*at < text.size() && (text[*at] == '.' || text[*at] == '[')) {
    if (text[(*at)++] == '.') {
      out->fields.push_back(name());
      continue;
    }
    const size_t end = text.find(']', *at);
    if (end == std::string_view::npos) return false;
    std::string_view field = Trimmed(text.substr(*at, end - *at));
    if (field.size() >= 2 && (field.front() == '\'' || field.front() == '"') &&
        field.back() == field.front()) {
      field = field.substr(1, field.size() - 2);
    } else {
      field = text.substr(*at - 1, end - *at + 1);
    }
    out->fields.push_back(field);
    *at = end + 1;
  }
  return true;
}

// Reads "'<|' + message['role'] + x | trim" front to back; anything but joined terms fails.
class Expression {
 public:
  Expression(std::string_view text, char bos, std::string_view eos, const JinjaScope& scope)
      : text_(text), bos_(bos), eos_(eos), scope_(scope) {}

  std::optional<std::string> Read() {
    std::string out;
    const bool whole = ReadSum(&out) && (SkipSpace(), at_ == text_.size());
    if (too_large_) return std::nullopt;
    const bool joined_list = out.size() > 1 && out.find_first_of("\5\6") != std::string::npos;
    return whole && !joined_list ? out : std::string(1, kMarkOther);
  }

 private:
  void SkipSpace() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
  }
  bool Take(char c) {
    SkipSpace();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }

  bool ReadSum(std::string* out) {
    do {
      if (!ReadTerm(out)) return false;
    } while (Take('+') || Take('~'));
    return true;
  }

  bool ReadTerm(std::string* out) {
    SkipSpace();
    if (at_ == text_.size()) return false;
    std::string term;
    if (text_[at_] == '\'' || text_[at_] == '"') {
      if (!ReadString(&term)) return false;
    } else if (Take('(')) {
      if (++depth_ > kMostParentheses || !ReadSum(&term) || !Take(')')) return false;
      --depth_;
    } else if (!ReadValue(&term)) {
      return false;
    }
    while (Take('|')) {  // of filters only trim leaves a value what it is here
      SkipSpace();
      const size_t begin = at_;
      while (at_ < text_.size() && IsName(text_[at_])) ++at_;
      if (text_.substr(begin, at_ - begin) != "trim") return false;
    }
    too_large_ = out->size() + term.size() > kMostJinjaText;
    if (too_large_) return false;
    *out += term;
    return true;
  }

  bool ReadString(std::string* out) {
    const char quote = text_[at_++];
    for (; at_ < text_.size() && text_[at_] != quote; ++at_) {
      if (text_[at_] != '\\') {
        *out += text_[at_];
        continue;
      }
      if (++at_ == text_.size()) return false;
      const std::string_view escapes = "n\nt\tr\r\\\\\'\'\"\"";
      size_t i = 0;
      while (i < escapes.size() && escapes[i] != text_[at_]) i += 2;
      if (i >= escapes.size()) return false;
      *out += escapes[i + 1];
    }
    if (at_ == text_.size()) return false;
    ++at_;
    return true;
  }

  bool ReadValue(std::string* out) {
    Reference reference;
    if (!ReadReference(text_, &at_, &reference)) return false;
    if (at_ < text_.size() && text_[at_] == '(') return false;  // a call
    *out = ValueOf(reference);
    return true;
  }

  std::string ValueOf(const Reference& reference) const {
    const auto& fields = reference.fields;
    const std::string other(1, kMarkOther);
    if (!scope_.message.empty() && reference.root == scope_.message) {
      if (fields.size() != 1) return other;
      return fields[0] == "role"      ? std::string(1, kMarkRole)
             : fields[0] == "content" ? std::string(1, kMarkContent)
                                      : other;
    }
    std::string value = other;
    if (const auto found = scope_.variables.find(reference.root); found != scope_.variables.end()) {
      value = found->second;
    } else if (reference.root == "messages") {
      value = kMarkMessages;
    } else if (reference.root == "bos_token") {
      value = bos_;
    } else if (reference.root == "eos_token") {
      value = eos_;
    }
    if (fields.empty()) return value;
    if (value != std::string(1, kMarkMessages)) return other;
    if (fields.size() == 1) return fields[0] == "[1:" ? std::string(1, kMarkRest) : other;
    if (fields.size() != 2) return other;
    if (fields[0] == "[0" && fields[1] == "role") return "system";
    if (fields[0] == "[0" && fields[1] == "content") return std::string(1, kMarkContent);
    if (fields[0] == "[-1" && fields[1] == "role") return "user";
    return other;
  }

  std::string_view text_;
  char bos_;
  std::string_view eos_;
  const JinjaScope& scope_;
  size_t at_ = 0;
  int depth_ = 0;
  bool too_large_ = false;
};

// Where `token` stands first from `from` on, outside of strings and brackets; a word stands alone.
size_t FindOutside(std::string_view text, std::string_view token, size_t from = 0) {
  const bool word = IsName(token.front());
  char quote = 0;
  int depth = 0;
  for (size_t i = from; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == '\\') {
        ++i;
      } else if (c == quote) {
        quote = 0;
      }
      continue;
    }
    if (c == '\'' || c == '"') quote = c;
    if (c == '(' || c == '[' || c == '{') ++depth;
    if (c == ')' || c == ']' || c == '}') --depth;
    if (depth != 0 || !text.substr(i).starts_with(token)) continue;
    const size_t end = i + token.size();
    if (word && ((i > 0 && (IsName(text[i - 1]) || text[i - 1] == '.')) ||
                 (end < text.size() && IsName(text[end])))) {
      continue;
    }
    return i;
  }
  return std::string_view::npos;
}

bool TakeWord(std::string_view word, std::string_view* text) {
  if (!text->starts_with(word)) return false;
  if (text->size() > word.size() && IsName((*text)[word.size()])) return false;
  *text = Trimmed(text->substr(word.size()));
  return true;
}

// One condition for one role.
class Condition {
 public:
  Condition(std::string_view role, const JinjaScope& scope) : role_(role), scope_(scope) {}

  Truth Of(std::string_view text, int depth) const {
    text = Trimmed(text);
    if (text.empty() || depth > kMostParentheses ||
        FindOutside(text, "if") != std::string_view::npos) {
      return Truth::kUnknown;
    }
    Truth any = Truth::kNo;
    ForEach(text, "or", [&](std::string_view part) {
      Truth all = Truth::kYes;
      ForEach(part, "and", [&](std::string_view each) { all = And(all, Negated(each, depth)); });
      any = Not(And(Not(any), Not(all)));
    });
    return any;
  }

 private:
  template <class Visit>
  static void ForEach(std::string_view text, std::string_view word, Visit visit) {
    for (;;) {
      const size_t end = FindOutside(text, word);
      visit(Trimmed(text.substr(0, end)));
      if (end == std::string_view::npos) return;
      text.remove_prefix(end + word.size());
    }
  }

  Truth Negated(std::string_view text, int depth) const {
    bool negated = false;
    while (TakeWord("not", &text)) negated = !negated;
    Truth truth = Truth::kUnknown;
    if (text.starts_with('(') && FindOutside(text, ")") == text.size() - 1) {
      truth = Of(text.substr(1, text.size() - 2), depth + 1);
    } else {
      truth = Atom(text);
      // There are no tools: what is asked of them in other words does not hold.
      if (truth == Truth::kUnknown && text.find("tool") != std::string_view::npos) {
        const bool denied = FindOutside(text, "!=") != std::string_view::npos ||
                            FindOutside(text, "not") != std::string_view::npos;
        truth = denied ? Truth::kYes : Truth::kNo;
      }
    }
    return negated ? Not(truth) : truth;
  }

  Truth Atom(std::string_view text) const {
    for (const std::string_view sign : {"==", "!=", "in", "is"}) {
      const size_t at = FindOutside(text, sign);
      if (at == std::string_view::npos) continue;
      std::string_view left = Trimmed(text.substr(0, at));
      std::string_view right = Trimmed(text.substr(at + sign.size()));
      if (sign == "==") return Equal(left, right);
      if (sign == "!=") return Not(Equal(left, right));
      if (sign == "is") return TakeWord("not", &right) ? Not(Is(left, right)) : Is(left, right);
      if (left.ends_with(" not")) return Not(In(Trimmed(left.substr(0, left.size() - 4)), right));
      return In(left, right);
    }
    return Holds(text);
  }

  Truth Holds(std::string_view text) const {
    if (text == "true" || text == "True" || IsAsked(text)) return Truth::kYes;
    if (text == "false" || text == "False" || text == "none" || text == "None") return Truth::kNo;
    if (text == "loop.first") return IsFirst();
    if (IsMissing(text)) return Truth::kNo;
    const std::string value = Value(text);
    if (value.find(kMarkOther) != std::string::npos) return Truth::kUnknown;
    return value.empty() ? Truth::kNo : Truth::kYes;
  }

  Truth Equal(std::string_view left, std::string_view right) const {
    if ((left == "loop.index0" && right == "0") || (left == "loop.index" && right == "1")) {
      return IsFirst();
    }
    const std::optional<std::string> a = Text(left), b = Text(right);
    if (!a || !b) return Truth::kUnknown;
    return *a == *b ? Truth::kYes : Truth::kNo;
  }

  Truth In(std::string_view left, std::string_view right) const {
    const std::optional<std::string> text = Text(left);
    if (!text) return Truth::kUnknown;
    if (!scope_.message.empty() && right == scope_.message) {
      return *text == "role" || *text == "content" ? Truth::kYes : Truth::kNo;
    }
    if (right.size() < 2 || (right.front() != '[' && right.front() != '(')) return Truth::kUnknown;
    Truth any = Truth::kNo;
    ForEach(right.substr(1, right.size() - 2), ",", [&](std::string_view each) {
      if (!each.empty()) any = Not(And(Not(any), Not(Equal(left, each))));
    });
    return any;
  }

  Truth Is(std::string_view left, std::string_view right) const {
    const std::string value = Value(left);
    const bool text = !value.empty() && value.find_first_of("\4\5\6") == std::string::npos;
    const bool known = text || IsAsked(left) || value == std::string(1, kMarkMessages);
    if (right == "defined") {
      return known ? Truth::kYes : IsMissing(left) ? Truth::kNo : Truth::kUnknown;
    }
    if (right == "none" || right == "None") return known ? Truth::kNo : Truth::kUnknown;
    if (right == "string" && known) return text ? Truth::kYes : Truth::kNo;
    if (right == "true" && (IsAsked(left) || IsMissing(left))) return Holds(left);
    return IsMissing(left) && right == "false" ? Truth::kNo : Truth::kUnknown;
  }

  // Whether an answer is asked for, in the name that renderers give it.
  bool IsAsked(std::string_view text) const {
    return text == "add_generation_prompt" && !scope_.variables.contains(text);
  }

  Truth IsFirst() const {
    if (scope_.message.empty()) return Truth::kUnknown;
    return (role_ == "system") != scope_.without_first ? Truth::kYes : Truth::kNo;
  }

  // A name that renderers give no value, or a field that messages do not have.
  bool IsMissing(std::string_view text) const {
    size_t at = 0;
    Reference reference;
    if (!ReadReference(text, &at, &reference) || at != text.size()) return false;
    const std::string_view root = reference.root;
    if (!scope_.message.empty() && root == scope_.message) {
      return !reference.fields.empty() && reference.fields[0] != "role" &&
             reference.fields[0] != "content" && !reference.fields[0].starts_with('[');
    }
    constexpr std::array kGiven = {"messages", "bos_token", "eos_token", "add_generation_prompt",
                                   "loop"};
    return reference.fields.empty() && !IsNumeral(root.front()) &&
           !scope_.variables.contains(root) &&
           std::find(kGiven.begin(), kGiven.end(), root) == kGiven.end();
  }

  std::string Value(std::string_view text) const {
    return JinjaValue(text, kMarkOther, std::string(1, kMarkOther), scope_)
        .value_or(std::string(1, kMarkOther));
  }

  // What is compared, where it is known to the letter.
  std::optional<std::string> Text(std::string_view text) const {
    std::string value = Value(text);
    if (value == std::string(1, kMarkRole)) return std::string(role_);
    if (HasMark(value)) return std::nullopt;
    return value;
  }

  std::string_view role_;
  const JinjaScope& scope_;
};

}  // namespace

std::optional<std::string> JinjaValue(std::string_view expression, char bos, std::string_view eos,
                                      const JinjaScope& scope) {
  return Expression(expression, bos, eos, scope).Read();
}

Truth Not(Truth a) {
  if (a == Truth::kUnknown) return a;
  return a == Truth::kYes ? Truth::kNo : Truth::kYes;
}

Truth And(Truth a, Truth b) {
  if (a == Truth::kNo || b == Truth::kNo) return Truth::kNo;
  return a == Truth::kYes && b == Truth::kYes ? Truth::kYes : Truth::kUnknown;
}

Truth JinjaCondition(std::string_view condition, std::string_view role, const JinjaScope& scope) {
  return Condition(role, scope).Of(condition, 0);
}

}  // namespace kvlink::text
