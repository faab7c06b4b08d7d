#include "link/linkable_model.h"

namespace kvlink {

Result<std::unique_ptr<LinkableModel>> LinkableModel::Create(std::unique_ptr<Model> model,
                                                             std::unique_ptr<const Links> links) {
  std::unique_ptr<LinkableModel> linkable(new LinkableModel());
  linkable->model_ = std::move(model);
  linkable->links_ = std::move(links);
  if (linkable->links_ != nullptr && linkable->links_->prompt_template) {
    linkable->template_ = *linkable->links_->prompt_template;
  } else {
    KVLINK_ASSIGN_OR_RETURN(linkable->template_, ChooseTemplate(linkable->model_->tokenizer()));
  }
  if (linkable->links_ != nullptr && linkable->links_->adapter) {
    KVLINK_ASSIGN_OR_RETURN(
        linkable->adapter_,
        PreparedAdapter::Create(*linkable->links_->adapter, linkable->model_->config(),
                                linkable->model_->matmul_dtype()));
  }
  return linkable;
}

Result<std::unique_ptr<LinkableModel>> LinkableModel::Load(FileSystem& files,
                                                           const std::string& model_path,
                                                           const std::string& links_path,
                                                           const ModelOptions& options) {
  KVLINK_ASSIGN_OR_RETURN(std::unique_ptr<Model> model, Model::Load(files, model_path, options));
  std::unique_ptr<const Links> links;
  if (!links_path.empty()) {
    KVLINK_ASSIGN_OR_RETURN(links,
                            LoadLinks(files, links_path, model->config(), model->fingerprint()));
  }
  return Create(std::move(model), std::move(links));
}

std::span<const float> LinkableModel::embeddings() const {
  return links_ == nullptr ? std::span<const float>() : std::span(links_->embeddings);
}

std::vector<int32_t> LinkableModel::RenderDocument(std::string_view title, std::string_view text,
                                                   int rank) const {
  return kvlink::RenderDocument(template_, model_->tokenizer(), title, text, rank + 1);
}

std::vector<int32_t> LinkableModel::DocumentPrefix(std::string_view system) const {
  return RenderDocumentPrefix(template_, model_->tokenizer(), system);
}

LinkPlan LinkableModel::Plan(std::string_view system,
                             std::span<const std::vector<int32_t>> documents,
                             std::string_view question, Layout layout) const {
  const Tokenizer& tokenizer = model_->tokenizer();
  const bool has_documents = !documents.empty();
  const std::vector<int32_t> head = RenderHead(
      template_, tokenizer, system.empty() ? template_.default_system : system, has_documents);
  const std::vector<int32_t> tail = RenderQuestion(template_, tokenizer, question, has_documents);
  std::vector<int32_t> link_ids;
  const int32_t links = layout == Layout::kLinked ? k() : 0;
  for (size_t slot = 0; slot < documents.size(); ++slot) {
    for (int32_t j = 0; j < links; ++j) {
      const int32_t index = links_->IndexOf(static_cast<int32_t>(slot), j);
      link_ids.push_back(links_->token_ids.empty() ? ~index : links_->token_ids[index]);
    }
  }
  return MakePlan({.head = head,
                   .documents = documents,
                   .question = tail,
                   .k = links,
                   .link_ids = link_ids,
                   .full = layout == Layout::kFull});
}

}  // namespace kvlink
