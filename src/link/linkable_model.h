// A model together with its link file: the template, the link tokens, the adapter. Renders text to
// tokens and tokens to a link plan. Not here: blocks and where they rest (link/indexer.h).
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "link/plan.h"
#include "links/link_file.h"
#include "model/model.h"
#include "model/prepared_adapter.h"

namespace kvlink::link {

// A built-in template by its name (chatml, llama3), or one in a JSON file (docs/link-file.md).
Result<text::PromptTemplate> NamedTemplate(FileSystem& files, const std::string& name);

// Thread promise: rendering and planning are const and thread-safe; the model's passes are not.
class LinkableModel {
 public:
  // links_path empty: K = 0, no adapter. template_name: as NamedTemplate takes it, before the link
  // file's; empty: the link file's, else the one that the model's file asks for.
  static Result<std::unique_ptr<LinkableModel>> Load(FileSystem& files,
                                                     const std::string& model_path,
                                                     const std::string& links_path,
                                                     const model::ModelOptions& options,
                                                     const std::string& template_name = "");
  // For tests and tools that made their own.
  static Result<std::unique_ptr<LinkableModel>> Create(
      std::unique_ptr<model::Model> model, std::unique_ptr<const links::Links> links,
      std::optional<text::PromptTemplate> given_template = std::nullopt);

  model::Model& model() { return *model_; }
  const model::Model& model() const { return *model_; }
  const links::Links* links() const { return links_.get(); }    // nullptr: none
  model::PreparedAdapter* adapter() { return adapter_.get(); }  // nullptr: none
  const text::PromptTemplate& prompt_template() const { return template_; }
  // One line: why prompts may not be what the model was trained with; empty: no reason.
  const std::string& template_concern() const { return template_concern_; }
  // Why linked answers can't be trusted as far as the link file's gate says, or empty: prompts are
  // written by the template, and what was measured is another one.
  std::string WhyNotGated() const;
  int32_t k() const { return links_ == nullptr ? 0 : links_->k; }
  // [slots * k, E]; empty where links are vocabulary tokens.
  std::span<const float> embeddings() const;

  // Tokens of a document at a 0-based rank (which matters only if the template shows it).
  std::vector<int32_t> RenderDocument(std::string_view title, std::string_view text,
                                      int rank) const;
  // What documents are encoded behind by the template; empty: nothing. An empty system text stands
  // for the template's own.
  std::vector<int32_t> DocumentPrefix(std::string_view system) const;
  // How many tokens a prompt has outside documents and their links.
  int64_t CountAround(std::string_view system, std::string_view question, bool has_documents,
                      std::span<const Message> earlier = {}) const;
  // The plan of a prompt over documents that are already tokens.
  LinkPlan Plan(std::string_view system, std::span<const std::vector<int32_t>> documents,
                std::string_view question, Layout layout,
                std::span<const Message> earlier = {}) const;
  LinkPlan Plan(std::string_view system, std::span<const std::vector<int32_t>> documents,
                std::string_view question, bool full) const {
    return Plan(system, documents, question, full ? Layout::kFull : Layout::kLinked);
  }

 private:
  LinkableModel() = default;
  std::unique_ptr<model::Model> model_;
  std::unique_ptr<const links::Links> links_;
  std::unique_ptr<model::PreparedAdapter> adapter_;
  text::PromptTemplate template_;
  std::string template_concern_;
  bool measured_otherwise_ = false;  // the links were measured with another template
};

}  // namespace kvlink::link
