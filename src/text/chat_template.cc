// A chat template is believed only if every output that a prompt of one system text and one
// question could pass has a known shape; else it is not understood, and the reader is told so.
#include "text/chat_template.h"

#include <string_view>
#include <utility>

#include "text/jinja_outputs.h"

namespace kvlink::text {
namespace {

// What stands around a message of one role.
struct Turn {
  std::string before, after;
  bool operator==(const Turn&) const = default;
};

struct Form {
  bool understood = false;
  bool bos = false;  // what it writes first
  std::optional<Turn> system, user;
  std::string generation;  // from the question's end to the answer's first token
};

bool Has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

class FormReader {
 public:
  explicit FormReader(std::string bos) : bos_(std::move(bos)) {}

  Form Read(const JinjaOutputs& read) {
    bool good = read.understood;
    bool first = true;
    for (const JinjaOutput& output : read.outputs) {
      good = Take(output, first) && good;
      first = false;
    }
    if (!generic_before_.empty() && form_.generation.empty()) {
      form_.generation = generic_before_ + "assistant" + generic_between_;
    }
    form_.understood = good && form_.system && form_.user && !form_.generation.empty();
    for (const std::string* text :
         {&form_.generation, form_.user ? &form_.user->before : nullptr,
          form_.user ? &form_.user->after : nullptr, form_.system ? &form_.system->before : nullptr,
          form_.system ? &form_.system->after : nullptr}) {
      if (text != nullptr && Has(*text, "{")) form_.understood = false;  // our placeholders' sign
    }
    return form_;
  }

 private:
  // False: not of a known shape.
  bool Take(const JinjaOutput& output, bool first) {
    std::string_view text = output.text;
    if (text.front() == kMarkBos) {
      text.remove_prefix(1);
      form_.bos = true;
    } else if (first && !output.in_loop && !bos_.empty() && text.starts_with(bos_) &&
               (text.size() == bos_.size() || text[bos_.size()] == '<')) {
      text.remove_prefix(bos_.size());
      form_.bos = true;
    }
    if (text.empty()) return true;
    if (Has(text, std::string(1, kMarkOther)) || Has(text, std::string(1, kMarkBos))) return false;
    const size_t role = text.find(kMarkRole), content = text.find(kMarkContent);
    if (content == std::string_view::npos) {
      if (role != std::string_view::npos) return false;
      return TakeGeneration(output, std::string(text));
    }
    if (Has(text.substr(content + 1), std::string(1, kMarkContent))) return false;
    const std::string before(text.substr(0, content)), after(text.substr(content + 1));
    if (role == std::string_view::npos) return TakeLiteral(output, before, after);
    if (role > content || Has(before.substr(role + 1), std::string(1, kMarkRole))) return false;
    generic_before_ = before.substr(0, role);
    generic_between_ = before.substr(role + 1);
    bool good = true;
    for (const std::string_view name : {"system", "user"}) {
      if (!(name == "system" ? output.for_system : output.for_user)) continue;
      good = Put(name, {generic_before_ + std::string(name) + generic_between_, after}) && good;
    }
    return good;
  }

  // A message whose role stands in the text: one role alone must be able to get there.
  bool TakeLiteral(const JinjaOutput& output, const std::string& before, const std::string& after) {
    const bool system = output.for_system && !Has(before, "user");
    const bool user = output.for_user && output.in_loop && !Has(before, "system");
    if (system == user) return false;
    return Put(system ? "system" : "user", {before, after});
  }

  bool TakeGeneration(const JinjaOutput& output, std::string text) {
    const bool behind_question = form_.user && !output.in_loop;
    if (!behind_question || !Has(text, "assistant") || !form_.generation.empty()) return false;
    form_.generation = std::move(text);
    return true;
  }

  bool Put(std::string_view role, Turn turn) {
    std::optional<Turn>& place = role == "system" ? form_.system : form_.user;
    if (place && *place != turn) return false;
    place = std::move(turn);
    return true;
  }

  std::string bos_;
  std::string generic_before_, generic_between_;  // around a role that is a value
  Form form_;
};

std::string Spelled(const Tokenizer& tokenizer, int32_t id) {
  return id < 0 ? "" : std::string(tokenizer.TokenBytes(id));
}

PromptTemplate FromForm(const Form& form) {
  PromptTemplate t = ChatMlTemplate();  // documents and the default system text are all alike
  t.name = "the model's own";
  t.system = form.system->before + "{system}" + form.system->after + form.user->before;
  t.answer = form.user->after + form.generation;
  t.stop.clear();
  const std::string_view spaces = " \t\r\n";
  const std::string& after = form.user->after;
  if (const size_t begin = after.find_first_not_of(spaces); begin != std::string::npos) {
    t.stop.push_back(after.substr(begin, after.find_last_not_of(spaces) + 1 - begin));
  }
  return t;
}

// The text before the first turn.
void SetBos(const std::string& bos, bool wanted, PromptTemplate* t) {
  if (bos.empty()) return;
  const bool there = t->system.starts_with(bos) && t->system.compare(bos.size(), 1, "<") == 0;
  if (wanted && !there) t->system.insert(0, bos);
  if (!wanted && there) t->system.erase(0, bos.size());
}

}  // namespace

Result<ChosenTemplate> ChooseTemplate(const Tokenizer& tokenizer, const FilePrompt& file) {
  const std::string bos = Spelled(tokenizer, tokenizer.bos());
  const bool has_template = !file.chat_template.empty();
  Form form;
  if (has_template) {
    form = FormReader(bos).Read(
        ReadJinjaOutputs(file.chat_template, Spelled(tokenizer, tokenizer.eos())));
  }
  if (form.understood) {
    ChosenTemplate chosen{FromForm(form), ""};
    for (PromptTemplate known : {ChatMlTemplate(), Llama3Template()}) {
      SetBos("<|begin_of_text|>", false, &known);
      if (known.system != chosen.prompt_template.system ||
          known.answer != chosen.prompt_template.answer) {
        continue;
      }
      chosen.prompt_template = known;
    }
    SetBos(bos, form.bos, &chosen.prompt_template);
    return chosen;
  }
  Result<PromptTemplate> built_in = ChooseTemplate(tokenizer);
  if (!built_in.ok()) return built_in.status();
  ChosenTemplate chosen{*std::move(built_in), ""};
  if (form.bos || file.adds_bos.value_or(false)) SetBos(bos, true, &chosen.prompt_template);
  if (has_template) {
    chosen.concern =
        "the model file's own chat template is not one that kvlink can read, so that "
        "prompts are written as " +
        chosen.prompt_template.name +
        ", chosen by the vocabulary: answers may be worse; say which to use with "
        "--template chatml, llama3 or a JSON file";
  }
  return chosen;
}

}  // namespace kvlink::text
