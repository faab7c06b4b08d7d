// Encodes two documents once, each alone, then answers a question over both without encoding them
// again.   link_two MODEL.gguf ["question"]
#include <kvlink/engine.h>

#include <iostream>

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: link_two MODEL.gguf [\"question\"]\n";
    return 2;
  }
  const auto fail = [](const kvlink::Status& status) {
    std::cerr << "link_two: " << status.message() << "\n";
    return 1;
  };

  kvlink::EngineOptions options;
  options.model_path = argv[1];  // no store_path: the blocks live in memory
  auto engine = kvlink::Engine::Open(options);
  if (!engine.ok()) return fail(engine.status());

  kvlink::Request request;
  request.documents = {
      {.id = "1", .title = "Harbour", .text = "The lighthouse of Orrin Bay was lit in 1874."},
      {.id = "2", .title = "Keeper", .text = "Its first keeper, Maud Tarrow, bred blue geese."}};
  for (const kvlink::Document& document : request.documents) {
    const auto encoded = (*engine)->Encode(document);
    if (!encoded.ok()) return fail(encoded.status());
    std::cout << "document " << document.id << ": " << encoded->tokens << " tokens\n";
  }

  request.question = argc > 2 ? argv[2] : "When was the lighthouse of Orrin Bay lit?";
  request.max_tokens = 40;
  const auto answer = (*engine)->Ask(request);
  if (!answer.ok()) return fail(answer.status());
  std::cout << "answer: " << answer->text << "\n"
            << "tokens reused: " << answer->usage.linked_tokens + answer->usage.exact_tokens
            << " of " << answer->usage.prompt_tokens << "\n";
  return 0;
}
