#include "link/linkable_model.h"

#include <utility>

#include "links/gate.h"

namespace kvlink::link {

Result<text::PromptTemplate> NamedTemplate(FileSystem& files, const std::string& name) {
  for (const text::PromptTemplate& built_in : {text::ChatMlTemplate(), text::Llama3Template()}) {
    if (name == built_in.name) return built_in;
  }
  constexpr int64_t kMostBytes = 1 << 20;
  Result<std::string> text = ReadWholeFile(files, name, kMostBytes);
  if (!text.ok()) {
    return Status(text.code(), "template " + name + ": expected chatml, llama3 or a JSON file: " +
                                   text.status().message());
  }
  Result<text::PromptTemplate> read = text::TemplateFromJson(*text);
  if (!read.ok()) return Status(read.code(), name + ": " + read.status().message());
  return read;
}

Result<std::unique_ptr<LinkableModel>> LinkableModel::Create(
    std::unique_ptr<model::Model> model, std::unique_ptr<const links::Links> links,
    std::optional<text::PromptTemplate> given_template) {
  std::unique_ptr<LinkableModel> linkable(new LinkableModel());
  linkable->model_ = std::move(model);
  linkable->links_ = std::move(links);
  const links::Links* const with = linkable->links_.get();
  if (with != nullptr && with->prompt_template) {
    linkable->template_ = *with->prompt_template;
  } else {
    Result<text::ChosenTemplate> chosen =
        text::ChooseTemplate(linkable->model_->tokenizer(), linkable->model_->file_prompt());
    if (!chosen.ok() && !given_template) return chosen.status();
    if (chosen.ok()) {
      linkable->template_ = std::move(chosen->prompt_template);
      linkable->template_concern_ = std::move(chosen->concern);
    }
  }
  if (given_template) {
    linkable->measured_otherwise_ = with != nullptr && text::TemplateToJson(linkable->template_) !=
                                                           text::TemplateToJson(*given_template);
    linkable->template_ = *std::move(given_template);
    linkable->template_concern_.clear();
  }
  // Links were trained to end an answer, and their gate scores the end.
  const text::Tokenizer& tokenizer = linkable->model_->tokenizer();
  if (const text::PromptTemplate& t = linkable->template_;
      with != nullptr && tokenizer.eos() < 0 &&
      (t.stop.empty() || tokenizer.EncodeSpecial(t.stop.front()).size() != 1)) {
    return InvalidArgument(
        "nothing ends an answer: the template has no `stop` that is one token of the model, and "
        "the "
        "model file has no tokenizer.ggml.eos_token_id; give a template that has one");
  }
  if (with != nullptr && with->adapter) {
    KVLINK_ASSIGN_OR_RETURN(linkable->adapter_, model::PreparedAdapter::Create(
                                                    *with->adapter, linkable->model_->config(),
                                                    linkable->model_->matmul_dtype()));
  }
  return linkable;
}

Result<std::unique_ptr<LinkableModel>> LinkableModel::Load(FileSystem& files,
                                                           const std::string& model_path,
                                                           const std::string& links_path,
                                                           const model::ModelOptions& options,
                                                           const std::string& template_name) {
  std::optional<text::PromptTemplate> given;
  if (!template_name.empty()) {
    KVLINK_ASSIGN_OR_RETURN(given, NamedTemplate(files, template_name));
  }
  KVLINK_ASSIGN_OR_RETURN(std::unique_ptr<model::Model> model,
                          model::Model::Load(files, model_path, options));
  std::unique_ptr<const links::Links> links;
  if (!links_path.empty()) {
    KVLINK_ASSIGN_OR_RETURN(
        links, links::LoadLinks(files, links_path, model->config(), model->fingerprint(),
                                DigestCache(options.digests)));
  }
  return Create(std::move(model), std::move(links), std::move(given));
}

std::string LinkableModel::WhyNotGated() const {
  std::string why = kvlink::links::WhyNotGated(links_.get());
  if (why.empty() && measured_otherwise_) {
    why = "not gated: the links were measured with another prompt template than the one given";
  }
  return why;
}

std::span<const float> LinkableModel::embeddings() const {
  return links_ == nullptr ? std::span<const float>() : std::span(links_->embeddings);
}

std::vector<int32_t> LinkableModel::RenderDocument(std::string_view title, std::string_view text,
                                                   int rank) const {
  return kvlink::text::RenderDocument(template_, model_->tokenizer(), title, text, rank + 1);
}

std::vector<int32_t> LinkableModel::DocumentPrefix(std::string_view system) const {
  return text::RenderDocumentPrefix(template_, model_->tokenizer(), system);
}

int64_t LinkableModel::CountAround(std::string_view system, std::string_view question,
                                   bool has_documents, std::span<const Message> earlier) const {
  const text::Tokenizer& tokenizer = model_->tokenizer();
  return static_cast<int64_t>(
      text::RenderPreamble(template_, tokenizer, system, has_documents).size() +
      text::RenderQuestion(template_, tokenizer, question, has_documents, earlier).size());
}

LinkPlan LinkableModel::Plan(std::string_view system,
                             std::span<const std::vector<int32_t>> documents,
                             std::string_view question, Layout layout,
                             std::span<const Message> earlier) const {
  const text::Tokenizer& tokenizer = model_->tokenizer();
  const bool has_documents = !documents.empty();
  const std::vector<int32_t> preamble = text::RenderPreamble(
      template_, tokenizer, system.empty() ? template_.default_system : system, has_documents);
  const std::vector<int32_t> tail =
      text::RenderQuestion(template_, tokenizer, question, has_documents, earlier);
  std::vector<int32_t> link_ids;
  const int32_t links = layout == Layout::kLinked ? k() : 0;
  for (size_t slot = 0; slot < documents.size(); ++slot) {
    for (int32_t j = 0; j < links; ++j) {
      const int32_t index = links_->IndexOf(static_cast<int32_t>(slot), j);
      link_ids.push_back(links_->token_ids.empty() ? ~index : links_->token_ids[index]);
    }
  }
  return MakePlan({.preamble = preamble,
                   .documents = documents,
                   .question = tail,
                   .k = links,
                   .link_ids = link_ids,
                   .full = layout == Layout::kFull});
}

}  // namespace kvlink::link
