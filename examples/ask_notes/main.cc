// Indexes a folder of texts and answers a question over what search finds in it. Blocks are
// computed by the first question that needs them.   ask_notes MODEL.gguf STORE FOLDER "question"
#include <kvlink/library.h>

#include <iostream>

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: ask_notes MODEL.gguf STORE FOLDER \"question\"\n";
    return 2;
  }
  const auto fail = [](const kvlink::Status& status) {
    std::cerr << "ask_notes: " << status.message() << "\n";
    return 1;
  };

  kvlink::LibraryOptions options;
  options.store_path = argv[2];
  options.engine.model_path = argv[1];
  const auto library = kvlink::Library::Open(options);
  if (!library.ok()) return fail(library.status());

  kvlink::IndexSources sources;
  sources.paths = {argv[3]};
  sources.most_blocks = 0;
  kvlink::IndexReport report;
  const kvlink::Status indexed = (*library)->Index(sources, &report);
  if (!indexed.ok()) return fail(indexed);
  std::cout << "documents listed: " << report.listed << ", unchanged: " << report.unchanged << "\n";

  kvlink::Question question;
  question.request.question = argv[4];
  question.request.max_tokens = 40;
  const auto result = (*library)->Ask(question);
  if (!result.ok()) return fail(result.status());
  std::cout << "answer: " << result->answer.text << "\n";
  for (const kvlink::DocumentUse& use : result->answer.document_uses) {
    std::cout << "document " << use.id << ": " << kvlink::Name(use.status) << "\n";
  }
  return 0;
}
