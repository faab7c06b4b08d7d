#include "cli/log.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>

#include <memory>
#include <mutex>

namespace kvlink::cli {
namespace {

// Through the console, which wipes the progress bar first.
class ConsoleSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit ConsoleSink(Console& console) : console_(console) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t buffer;
    formatter_->format(message, buffer);
    console_.Line({buffer.data(), buffer.size()});
  }
  void flush_() override {}

 private:
  Console& console_;
};

spdlog::level::level_enum LevelOf(Severity severity) {
  switch (severity) {
    case Severity::kDebug:
      return spdlog::level::debug;
    case Severity::kInfo:
      return spdlog::level::info;
    case Severity::kWarning:
      return spdlog::level::warn;
    case Severity::kError:
      break;
  }
  return spdlog::level::err;
}

}  // namespace

Log MakeLog(const std::string& level, Console& console) {
  auto logger = std::make_shared<spdlog::logger>("kvlink", std::make_shared<ConsoleSink>(console));
  // The formatter ends a message with this; Console::Line brings its own line end.
  logger->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      "kvlink: %l: %v", spdlog::pattern_time_type::local, ""));
  logger->set_level(spdlog::level::from_str(level));
  return Log([logger](Severity severity, std::string_view message) {
    logger->log(LevelOf(severity), spdlog::string_view_t(message.data(), message.size()));
  });
}

}  // namespace kvlink::cli
