#include "text/jinja_outputs.h"

#include <algorithm>
#include <map>
#include <utility>

namespace kvlink {
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

using Variables = std::map<std::string, std::string, std::less<>>;

// Reads "'<|' + message['role'] + x | trim" front to back; anything but joined terms fails.
class Expression {
 public:
  // bos: what bos_token stands for.
  Expression(std::string_view text, char bos, std::string_view eos, const Variables& variables)
      : text_(text), bos_(bos), eos_(eos), variables_(variables) {}

  std::string Read() {
    std::string out;
    if (ReadSum(&out) && (SkipSpace(), at_ == text_.size())) return out;
    return std::string(1, kMarkOther);
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
      if (Name() != "trim") return false;
    }
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
      const std::string_view escapes = "n\nt\tr\r\\\\'\'\"\"";
      size_t i = 0;
      while (i < escapes.size() && escapes[i] != text_[at_]) i += 2;
      if (i >= escapes.size()) return false;
      *out += escapes[i + 1];
    }
    if (at_ == text_.size()) return false;
    ++at_;
    return true;
  }

  std::string_view Name() {
    const size_t begin = at_;
    while (at_ < text_.size() && IsName(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  // A variable, or the role or content of a message: x.role, x['role'], x[0]["role"].
  bool ReadValue(std::string* out) {
    const std::string_view name = Name();
    if (name.empty()) return false;
    std::string_view last;  // the field that is read last
    bool field = false;
    for (;;) {
      if (at_ < text_.size() && text_[at_] == '.') {
        ++at_;
        last = Name();
        field = true;
      } else if (at_ < text_.size() && text_[at_] == '[') {
        const size_t end = text_.find(']', at_);
        if (end == std::string_view::npos) return false;
        last = Trimmed(text_.substr(at_ + 1, end - at_ - 1));
        if (last.size() >= 2 && (last.front() == '\'' || last.front() == '"') &&
            last.back() == last.front()) {
          last = last.substr(1, last.size() - 2);
        }
        at_ = end + 1;
        field = true;
      } else {
        break;
      }
    }
    if (at_ < text_.size() && text_[at_] == '(') return false;  // a call
    if (field) {
      *out = last == "role" ? kMarkRole : last == "content" ? kMarkContent : kMarkOther;
    } else if (name == "bos_token") {
      *out = bos_;
    } else if (name == "eos_token") {
      *out = eos_;
    } else if (const auto found = variables_.find(name); found != variables_.end()) {
      *out = found->second;
    } else {
      *out = kMarkOther;
    }
    return true;
  }

  static constexpr int kMostParentheses = 32;
  std::string_view text_;
  char bos_;
  std::string_view eos_;
  const Variables& variables_;
  size_t at_ = 0;
  int depth_ = 0;
};

// One owner, one call of Read().
class Reader {
 public:
  Reader(std::string_view source, std::string_view eos) : source_(source), eos_(eos) {}

  JinjaOutputs Read() {
    if (source_.ends_with('\n')) source_.remove_suffix(1);
    for (const char c : source_) {
      if (c >= 0 && c <= kMarkOther) result_.understood = false;
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
  struct Branch {
    std::string condition;  // empty: a loop
    std::string before;     // conditions of the branches before it
    bool loop = false;
  };
  static constexpr size_t kMostBranches = 64;
  static constexpr size_t kMostText = 1 << 16;

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
    run_ += text;
    if (run_.size() > kMostText) result_.understood = false;
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
      for (const Branch& branch : branches_) {  // a system text that is refused
        if (branch.condition.find("== 'system'") != std::string::npos ||
            branch.condition.find("== \"system\"") != std::string::npos) {
          result_.understood = false;
        }
      }
      return;
    }
    Append(Value(inner));
  }

  // A beginning that stands before every message is none of the prompt's.
  std::string Value(std::string_view expression) const {
    return Expression(expression, OnceAtMost() ? kMarkBos : kMarkOther, eos_, variables_).Read();
  }

  void Statement(std::string_view inner) {
    EndRun();
    const size_t space = std::min(inner.find_first_of(" \t\n("), inner.size());
    const std::string_view word = inner.substr(0, space);
    const std::string rest(Trimmed(inner.substr(space)));
    if (word == "set") {
      Set(rest);
    } else if (word == "if" || word == "for") {
      branches_.push_back({word == "if" ? rest : "", "", word == "for"});
      if (branches_.size() > kMostBranches) result_.understood = false;
    } else if ((word == "elif" || word == "else") && !branches_.empty()) {
      Branch& branch = branches_.back();
      if (branch.loop) return;
      branch.before += "!" + branch.condition + ";";
      branch.condition = word == "elif" ? rest : branch.before;
      if (branch.before.size() > kMostText) result_.understood = false;
    } else if ((word == "endif" || word == "endfor") && !branches_.empty()) {
      branches_.pop_back();
    } else if (word != "generation" && word != "endgeneration" && word != "break" &&
               word != "continue") {
      result_.understood = false;  // a macro, an include, ...
    }
  }

  void Set(const std::string& rest) {
    const size_t equals = rest.find('=');
    if (equals == std::string::npos) {
      result_.understood = false;  // a block that is set
      return;
    }
    const std::string_view name = Trimmed(std::string_view(rest).substr(0, equals));
    const std::string_view value = Trimmed(std::string_view(rest).substr(equals + 1));
    std::string read = Value(value);
    if (read.size() > kMostText) result_.understood = false;
    variables_[std::string(name)] = std::move(read);
  }

  bool InLoop() const {
    return std::any_of(branches_.begin(), branches_.end(), [](const Branch& b) { return b.loop; });
  }
  // What stands here is outside loops, or written for the first message alone.
  bool OnceAtMost() const {
    if (!InLoop()) return true;
    return std::any_of(branches_.begin(), branches_.end(), [](const Branch& b) {
      return b.condition.starts_with("loop.first") || b.condition.starts_with("loop.index0 == 0") ||
             b.condition.starts_with("loop.index == 1");
    });
  }

  void EndRun() {
    if (run_.empty()) return;
    JinjaOutput output;
    output.text = std::exchange(run_, {});
    output.in_loop = InLoop();
    for (const Branch& branch : branches_) {
      if (!branch.condition.empty()) output.conditions.push_back(branch.condition);
    }
    result_.outputs.push_back(std::move(output));
  }

  std::string_view source_, eos_;
  size_t at_ = 0;
  bool strip_next_ = false;   // the tag before ended with "-"
  bool after_block_ = false;  // it was a statement or comment: a line end behind it goes
  std::string run_;
  std::vector<Branch> branches_;
  Variables variables_;
  JinjaOutputs result_;
};

}  // namespace

JinjaOutputs ReadJinjaOutputs(std::string_view source, std::string_view eos) {
  return Reader(source, eos).Read();
}

}  // namespace kvlink
