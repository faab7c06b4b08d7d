// Chat templates as model files carry them: what is read from them stands against what Jinja makes
// of the same text (jinja2 3.1 with trim_blocks and lstrip_blocks, as transformers sets them, for
// one system text "S", one question "Q" and add_generation_prompt), and what can't be read is said.
#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "text/jinja_outputs.h"
#include "text/small_vocabulary.h"

namespace kvlink::text {
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
  return tokenizer.Decode(RenderPreamble(t, tokenizer, "S", false)) +
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
        ReadCase{"SetWhereThereAreTools",
                 "{% set p = '<|im_start|>' %}{% if tools %}{% set p = '<|tool|>' %}{% endif %}"
                 "{% for m in messages %}{{ p + m.role + '\\n' + m.content + '<|im_end|>\\n'}}"
                 "{% endfor %}{% if add_generation_prompt %}{{ p + 'assistant\\n' }}{% endif %}",
                 "chatml", kChatMlRendered},
        ReadCase{
            "AskedForUnlessTold",
            "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false "
            "%}{% endif %}" +
                std::string(kChatMl),
            "chatml", kChatMlRendered},
        ReadCase{"SystemTextAheadOfTheLoop",
                 "{% if messages[0]['role'] == 'system' %}{{ '<|im_start|>system\\n' + "
                 "messages[0]['content'] + '<|im_end|>\\n' }}{% set rest = messages[1:] %}{% else "
                 "%}{% set rest = messages %}{% endif %}{% for m in rest %}{{ '<|im_start|>' + "
                 "m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}{{ "
                 "'<|im_start|>assistant\\n' }}",
                 "chatml", kChatMlRendered},
        ReadCase{"WhatALoopSetsEndsThere",
                 "{% set p = '<|im_start|>' %}{% for m in messages %}{{ p + m.role + '\\n' + "
                 "m.content + '<|im_end|>\\n' }}{% set p = 'x' %}{% endfor %}{{ p + "
                 "'assistant\\n' }}",
                 "chatml", kChatMlRendered},
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
        UnreadCase{
            "SetForSomeMessages",
            "{% for m in messages %}{% if m.role == 'user' %}{% set c = 'USER: ' + m.content "
            "%}{% else %}{% set c = m.content %}{% endif %}{{ '<|im_start|>' + m.role + "
            "'\\n' + c + '<|im_end|>\\n' }}{% endfor %}{{ '<|im_start|>assistant\\n' }}"},
        UnreadCase{"SetWhereNobodyKnows",
                   "{% set p = '<|im_start|>' %}{% if x() %}{% set p = '' %}{% endif %}{% for m in "
                   "messages %}{{ p + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor "
                   "%}{{ '<|im_start|>assistant\\n' }}"},
        UnreadCase{"SetInOneWayOrAnother",
                   "{% for m in messages %}{% set c = m.content %}{% if x() %}{% set c = 'x' + c %}"
                   "{% elif loop.first %}{% set c = bos_token + c %}{% endif %}{{ '<|im_start|>' + "
                   "m.role + '\\n' + c + '<|im_end|>\\n' }}{% endfor %}"},
        UnreadCase{"BehindAllButTheAnswer",
                   "{% for m in messages %}{% if m.role == 'system' or m.role == 'user' %}{{ "
                   "'<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endif %}{% "
                   "if not m.role == 'assistant' %}X{% endif %}{% endfor %}{{ "
                   "'<|im_start|>assistant\\n' }}"},
        UnreadCase{"AllButTheFirst",
                   "{% for m in messages[1:] %}{{ '<|im_start|>' + m.role + '\\n' + m.content + "
                   "'<|im_end|>\\n' }}{% endfor %}{{ '<|im_start|>assistant\\n' }}"},
        UnreadCase{"SomeMessagesPassedOver",
                   "{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}{{ "
                   "'<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
                   "{{ '<|im_start|>assistant\\n' }}"},
        UnreadCase{"ContentOfSomethingElse",
                   "{% set ns.content = 'x' %}{% for m in messages %}{{ '<|im_start|>' + m.role + "
                   "'\\n' + ns.content + '<|im_end|>\\n' }}{% endfor %}"},
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
  EXPECT_EQ(RenderPreamble(chosen->prompt_template, *tokenizer, "S", false).front(),
            tokenizer->bos());
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

// The bytes of all that was read.
size_t Taken(const JinjaOutputs& read) {
  size_t bytes = 0;
  for (const JinjaOutput& output : read.outputs) bytes += sizeof output + output.text.capacity();
  return bytes;
}

TEST(JinjaOutputs, AHostileTemplateTakesLittleMemory) {
  constexpr size_t kMost = 4 << 20;
  const std::string set = "{% set a = '" + std::string(60'000, 'x') + "' %}";
  std::string sum = set + "{{ a", written = set, copies = set;
  for (int i = 0; i < 8'000; ++i) {
    sum += "+a";
    written += "{{ a }}{% if b %}{% endif %}";
    copies += "{% set a" + std::to_string(i) + "=a %}";
  }
  std::string branch = "{% if " + std::string(60'000, '(') + " %}{% else %}";
  for (int i = 0; i < 8'000; ++i) branch += "x{% set b = 1 %}";
  for (const std::string& hostile : {sum + " }}", written, copies}) {
    const JinjaOutputs read = ReadJinjaOutputs(hostile, "");
    EXPECT_FALSE(read.understood);
    EXPECT_LT(Taken(read), kMost);
  }
  EXPECT_LT(Taken(ReadJinjaOutputs(branch + "{% endif %}", "")), kMost);
  const JinjaOutputs large = ReadJinjaOutputs(std::string((1 << 18) + 1, 'x'), "");
  EXPECT_FALSE(large.understood);
  EXPECT_TRUE(large.outputs.empty());
}

TEST(JinjaCondition, IsWhatItIsForAMessage) {
  JinjaScope scope;
  scope.message = "m";
  const auto of = [&](std::string_view condition) {
    const auto sign = [&](const char* role) {
      const Truth truth = JinjaCondition(condition, role, scope);
      return truth == Truth::kYes ? 'y' : truth == Truth::kNo ? 'n' : '?';
    };
    return std::string{sign("system"), sign("user")};
  };
  EXPECT_EQ(of("m['role'] == 'user'"), "ny");
  EXPECT_EQ(of("not m.role == \"user\""), "yn");
  EXPECT_EQ(of("m.role != 'user' and loop.first"), "yn");
  EXPECT_EQ(of("not (m.role == 'user' or m.role == 'system')"), "nn");
  EXPECT_EQ(of("(m.role == 'user') or (m.role == 'system' and not loop.first)"), "ny");
  EXPECT_EQ(of("m.role in ['user', 'tool']"), "ny");
  EXPECT_EQ(of("m.role not in ['user', 'tool']"), "yn");
  EXPECT_EQ(of("messages[0]['role'] != 'system'"), "nn");
  EXPECT_EQ(of("loop.index0 == 0"), "yn");
  EXPECT_EQ(of("tools"), "nn");
  EXPECT_EQ(of("not tools"), "yy");
  EXPECT_EQ(of("tools is not none and tools | length > 0"), "nn");
  EXPECT_EQ(of("m.tool_calls is defined or 'tool_calls' in m"), "nn");
  EXPECT_EQ(of("add_generation_prompt"), "yy");
  EXPECT_EQ(of("add_generation_prompt is not defined"), "nn");
  EXPECT_EQ(of("m.content is string"), "yy");
  EXPECT_EQ(of("m.content | length > 3"), "??");
  EXPECT_EQ(of("m.content | length > 3 and m.role == 'user'"), "n?");
  EXPECT_EQ(of("m.role == 'user' if x else y"), "??");
  EXPECT_EQ(of(""), "??");
  EXPECT_EQ(of(std::string(1'000, '(')), "??");
}

}  // namespace
}  // namespace kvlink::text
