// Chat templates as model files carry them: what is read from them stands against what Jinja makes
// of the same text (jinja2 3.1 with trim_blocks and lstrip_blocks, as transformers sets them, for
// one system text "S", one question "Q" and add_generation_prompt), and what can't be read is said.
#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "text/jinja_outputs.h"
#include "text/small_vocabulary.h"

namespace kvlink {
namespace {

using ::kvlink::testing::AddToken;
using ::kvlink::testing::MakeTokenizer;
using ::kvlink::testing::SmallVocabulary;

constexpr char kChatMl[] =
    "{% for m in messages %}{{'<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + "
    "'\\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
constexpr char kChatMlRendered[] =
    "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n";

// With a BOS of its own beside ChatML's tokens, as fine-tunes of Llama 3 have it.
std::unique_ptr<Tokenizer> WithBos() {
  TokenizerConfig config = SmallVocabulary();
  AddToken(&config, "<|begin_of_text|>", TokenType::kControl);
  config.bos = static_cast<int32_t>(config.tokens.size()) - 1;
  for (const char* token : {"<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"}) {
    AddToken(&config, token, TokenType::kControl);
  }
  return MakeTokenizer(config);
}

// The whole prompt without documents, as text.
std::string Rendered(const Tokenizer& tokenizer, const PromptTemplate& t) {
  return tokenizer.Decode(RenderHead(t, tokenizer, "S", false)) +
         tokenizer.Decode(RenderQuestion(t, tokenizer, "Q", false));
}

struct ReadCase {
  const char* name;
  std::string jinja, template_name, rendered;
};

class ReadTemplate : public ::testing::TestWithParam<ReadCase> {};
TEST_P(ReadTemplate, RendersWhatJinjaDoes) {
  const auto tokenizer = WithBos();
  const auto chosen = ChooseTemplate(*tokenizer, {GetParam().jinja, std::nullopt});
  ASSERT_TRUE(chosen.ok()) << chosen.status().message();
  EXPECT_EQ(chosen->concern, "");
  EXPECT_EQ(chosen->prompt_template.name, GetParam().template_name);
  EXPECT_EQ(Rendered(*tokenizer, chosen->prompt_template), GetParam().rendered);
}

const std::string kLlama3 =
    "<|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|><|start_header_id|>user"
    "<|end_header_id|>\n\nQ<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n";

INSTANTIATE_TEST_SUITE_P(
    Cases, ReadTemplate,
    ::testing::Values(
        ReadCase{"ChatMl", kChatMl, "chatml", kChatMlRendered},
        ReadCase{"DefaultSystemText",
                 "{% for m in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
                 "{{ '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}{% endif %}"
                 "{{'<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n'}}"
                 "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
                 "{% endif %}",
                 "chatml", kChatMlRendered},
        ReadCase{"BosFirst", std::string("{{ bos_token }}") + kChatMl, "chatml",
                 std::string("<|begin_of_text|>") + kChatMlRendered},
        ReadCase{"BosSpelledOut", std::string("<|begin_of_text|>") + kChatMl, "chatml",
                 std::string("<|begin_of_text|>") + kChatMlRendered},
        ReadCase{"NoGenerationPrompt",
                 "{{bos_token}}{% for m in messages %}{{'<|im_start|>'+m['role']+'\\n'+"
                 "m['content']+'<|im_end|>\\n'}}{% endfor %}",
                 "chatml", std::string("<|begin_of_text|>") + kChatMlRendered},
        ReadCase{"LinesAndTools",
                 "{%- if tools %}\n    {{- '<|im_start|>system\\n' }}\n    {{- 'Use tools.' }}\n"
                 "{%- else %}\n    {%- if messages[0]['role'] == 'system' %}\n        {{- "
                 "'<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}\n    "
                 "{%- else %}\n        {{- '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}\n    "
                 "{%- endif %}\n{%- endif %}\n{%- for message in messages %}\n    {%- if "
                 "(message.role == \"user\") or (message.role == \"system\" and not loop.first) or "
                 "(message.role == \"assistant\" and not message.tool_calls) %}\n        {{- "
                 "'<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' "
                 "}}\n    {%- elif message.role == \"assistant\" %}\n        {{- '<|im_start|>' + "
                 "message.role }}\n    {%- elif message.role == \"tool\" %}\n        {{- 'x' }}\n"
                 "    {%- endif %}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- "
                 "'<|im_start|>assistant\\n' }}\n{%- endif %}\n",
                 "chatml", kChatMlRendered},
        ReadCase{"Llama3",
                 "{% set loop_messages = messages %}{% for message in loop_messages %}{% set "
                 "content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + "
                 "message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set "
                 "content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if "
                 "add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' "
                 "}}{% endif %}",
                 "llama3", "<|begin_of_text|>" + kLlama3},
        ReadCase{"Llama3WithoutBos",
                 "{% for message in messages %}{{ '<|start_header_id|>' ~ message.role ~ "
                 "'<|end_header_id|>\\n\\n' ~ message.content ~ '<|eot_id|>' }}{% endfor %}"
                 "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}",
                 "llama3", kLlama3},
        ReadCase{"MarkersOfItsOwn",
                 "{% for m in messages %}\n<|{{ m['role'] }}|>\n{{ m['content'] }}</s>\n"
                 "{% endfor %}\n{% if add_generation_prompt %}\n<|assistant|>\n{% endif %}\n",
                 "the model's own", "<|system|>\nS</s>\n<|user|>\nQ</s>\n<|assistant|>\n"},
        ReadCase{"RolesByBranch",
                 "{% for m in messages %}{% if m.role == 'system' %}{{ '[S]' + m.content + '[/S]' "
                 "}}{% elif m.role == 'user' %}{{ '[U]' + m.content + '[/U]' }}{% else %}{{ '[A]' "
                 "+ m.content + eos_token }}{% endif %}{% endfor %}{% if add_generation_prompt %}"
                 "[assistant]{% endif %}",
                 "the model's own", "[S]S[/S][U]Q[/U][assistant]"},
        ReadCase{"SeparatorWithinTheTurn",
                 "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '<|im_sep|>' + "
                 "m['content'] + '<|im_end|>' }}{% endfor %}{{ '<|im_start|>assistant<|im_sep|>' "
                 "}}",
                 "the model's own",
                 "<|im_start|>system<|im_sep|>S<|im_end|><|im_start|>user<|im_sep|>Q<|im_end|>"
                 "<|im_start|>assistant<|im_sep|>"}),
    [](const auto& each) { return std::string(each.param.name); });

struct UnreadCase {
  const char* name;
  std::string jinja;
};
class UnreadTemplate : public ::testing::TestWithParam<UnreadCase> {};
TEST_P(UnreadTemplate, IsSaidAndTheBuiltInOneIsUsed) {
  const auto chosen = ChooseTemplate(*WithBos(), {GetParam().jinja, std::nullopt});
  ASSERT_TRUE(chosen.ok());
  EXPECT_EQ(chosen->prompt_template.name, "chatml");
  for (const char* says : {"chat template", "chatml", "--template"}) {
    EXPECT_NE(chosen->concern.find(says), std::string::npos) << chosen->concern;
  }
}
INSTANTIATE_TEST_SUITE_P(
    Cases, UnreadTemplate,
    ::testing::Values(
        UnreadCase{"SystemTextWithinTheQuestion",
                   "{% if messages[0]['role'] == 'system' %}{% set s = messages[0]['content'] %}"
                   "{% set loop_messages = messages[1:] %}{% endif %}{% for m in loop_messages %}"
                   "{% if loop.index0 == 0 and s != false %}{% set c = '<<SYS>>' + s + '<</SYS>>' "
                   "+ m['content'] %}{% else %}{% set c = m['content'] %}{% endif %}{% if m.role "
                   "== 'user' %}{{ '[INST] ' + c + ' [/INST]' }}{% endif %}{% endfor %}"},
        UnreadCase{"TextOfItsOwnInFront", std::string("Today is Friday.\n") + kChatMl},
        UnreadCase{"TextOfItsOwnBehind", std::string(kChatMl) + "Answer:"},
        UnreadCase{"BosBeforeEveryMessage",
                   "{% for m in messages %}{{ bos_token + '<|im_start|>' + m.role + '\\n' + "
                   "m.content + '<|im_end|>\\n' }}{% endfor %}"},
        UnreadCase{"SystemTextRefused",
                   "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}"
                   "{% endif %}" +
                       std::string(kChatMl)},
        UnreadCase{"SystemTextLeftOut",
                   "{% for m in messages %}{% if m.role != 'system' %}{{'<|im_start|>' + m.role + "
                   "'\\n' + m.content + '<|im_end|>\\n'}}{% endif %}{% endfor %}"},
        UnreadCase{"SystemTextReplaced",
                   "{{ '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}{% for m in messages %}{% if "
                   "m.role == 'user' %}{{'<|im_start|>user\\n' + m.content + '<|im_end|>\\n'}}"
                   "{% endif %}{% endfor %}{{ '<|im_start|>assistant\\n' }}"},
        UnreadCase{"ContentInCapitals",
                   "{% for m in messages %}{{'<|im_start|>' + m.role + '\\n' + m.content|upper + "
                   "'<|im_end|>\\n'}}{% endfor %}"},
        UnreadCase{"Macro", "{% macro x() %}y{% endmacro %}" + std::string(kChatMl)},
        UnreadCase{"OpenTag", std::string(kChatMl) + "{% if x"},
        UnreadCase{"OpenBranch", std::string(kChatMl) + "{% if x %}"},
        UnreadCase{"Marks", std::string(kChatMl) + "\x02\x03"},
        UnreadCase{"Braces",
                   "{% for m in messages %}{{'{system}' + m.role + '\\n' + m.content + '{text}'}}"
                   "{% endfor %}"},
        UnreadCase{"NothingOfAPrompt", "{{ 1 + 1 }}"}),
    [](const auto& each) { return std::string(each.param.name); });

TEST(ChooseTemplate, BosByTheKeyWhereTheFileHasNoTemplate) {
  const auto tokenizer = WithBos();
  const std::string bos = "<|begin_of_text|>";
  const auto rendered = [&](const FilePrompt& file) {
    const auto chosen = ChooseTemplate(*tokenizer, file);
    return chosen.ok() ? Rendered(*tokenizer, chosen->prompt_template) : chosen.status().message();
  };
  EXPECT_EQ(rendered({"", std::nullopt}), kChatMlRendered);
  EXPECT_EQ(rendered({"", false}), kChatMlRendered);
  EXPECT_EQ(rendered({"", true}), bos + kChatMlRendered);
  // The template is what the model was trained with: it says whether BOS stands first.
  EXPECT_EQ(rendered({kChatMl, true}), kChatMlRendered);
  EXPECT_EQ(rendered({"{{ bos_token }}" + std::string(kChatMl), false}), bos + kChatMlRendered);
  // One that can't be read still shows what it begins with.
  EXPECT_EQ(rendered({"{{ bos_token }}{{ x() }}", false}), bos + kChatMlRendered);
  const auto chosen = ChooseTemplate(*tokenizer, {"", true});
  EXPECT_EQ(RenderHead(chosen->prompt_template, *tokenizer, "S", false).front(), tokenizer->bos());
}

TEST(ChooseTemplate, ABosThatBeginsATurnIsNotTakenForTheFirstToken) {
  TokenizerConfig config = SmallVocabulary();  // SmolLM2's BOS is <|im_start|>
  config.bos = MakeTokenizer(config)->Find("<|im_start|>");
  const auto tokenizer = MakeTokenizer(config);
  const auto chosen = ChooseTemplate(*tokenizer, {kChatMl, false});
  ASSERT_TRUE(chosen.ok());
  EXPECT_EQ(Rendered(*tokenizer, chosen->prompt_template), kChatMlRendered);
}

TEST(JinjaOutputs, AnyPrefixOfATemplateIsReadWithoutHarm) {
  const std::string whole =
      std::string("{#- a -#}\n {%- set x = \"\\\"\" + (y.z['a'][0]|trim) -%}") + kChatMl +
      "{{ f('%}') ~ \"}}\" }} \n{{- a.b -}} \n";
  for (size_t size = 0; size <= whole.size(); ++size) {
    for (const char cut : {'\'', '{', '\\', '(', '[', '|'}) {
      (void)ReadJinjaOutputs(whole.substr(0, size) + cut, "</s>");
    }
  }
  EXPECT_FALSE(ReadJinjaOutputs("{{ " + std::string(100'000, '(') + "}}", "").outputs.empty());
  std::string deep;
  for (int i = 0; i < 10'000; ++i) deep += "{% if a %}";
  EXPECT_FALSE(ReadJinjaOutputs(deep, "").understood);
  // Values that grow by doubling are given up, not followed.
  std::string grows = "{% set x = 'aaaaaaaa' %}";
  for (int i = 0; i < 60; ++i) grows += "{% set x = x + x %}";
  EXPECT_FALSE(ReadJinjaOutputs(grows, "").understood);
}

}  // namespace
}  // namespace kvlink
