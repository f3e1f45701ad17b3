#include "cli/serve_checks.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/thread_limit.h"
#include "serve/dialects/kserve/kserve_model.h"

namespace tamis::cli {

namespace {

// The models of a repository may come later.
void check_names(const serve::ServerOptions& server) {
  if (!server.model_repository.empty()) return;
  const auto check_name = [&server](std::string_view flag, const std::string& name) {
    const bool known =
        name == server.identity_model ||
        std::ranges::find(server.models, name, &serve::ModelArgument::name) != server.models.end();
    if (!known) fail(ErrorCode::kInvalidArgument, flag, " ", name, ": no model has that name");
  };
  for (const auto& weight : server.weights) check_name("--weight", weight.first);
  for (const auto& task : server.tasks) {
    if (!task.first.empty()) check_name("--task", task.first);
  }
}

// KServe serves a model's tensors and texts under names of their own.
void check_kserve_names(const serve::ServerOptions& server) {
  for (const serve::ModelArgument& model : server.models) {
    for (const std::string_view suffix : {serve::kTensorSuffix, serve::kTextSuffix}) {
      const std::string taken = cat(model.name, suffix);
      const auto other = std::ranges::find(server.models, taken, &serve::ModelArgument::name);
      if (other == server.models.end()) continue;
      fail(ErrorCode::kInvalidArgument, "models ", model.name, " and ", taken,
           ": KServe's clients ask the first under the name of the second; name one otherwise, as "
           "NAME=",
           other->source);
    }
  }
}

// What a browser sends as Origin is compared as it stands.
void check_origin(std::string_view origin) {
  if (origin.empty() || origin == "*" || origin == "null") return;
  const size_t scheme = origin.find("://");
  const std::string_view host = scheme == origin.npos ? "" : origin.substr(scheme + 3);
  if (scheme > 0 && !host.empty() && host.find_first_of("/?#@ ,") == host.npos) return;
  fail(ErrorCode::kInvalidArgument, "--cors-origin ", origin,
       ": must be '*', or scheme and host of one origin with nothing behind them, as "
       "https://app.example or http://localhost:3000");
}

void check_limits(const serve::ServerOptions& server) {
  const std::pair<const char*, int64_t> positive[] = {
      {"--versions", server.versions},
      {"--max-queue-latency", server.max_queue_latency_ms},
      {"--max-body", server.max_body_bytes},
      {"--max-items", server.max_items},
      {"--max-answer", server.max_answer_bytes},
      {"--max-held-bytes", server.max_held_bytes},
      {"--max-connections", server.max_connections},
      {"--idle-timeout", server.idle_timeout_ms},
      {"--header-timeout", server.header_timeout_ms},
      {"--request-timeout", server.request_timeout_ms},
      {"--drain-timeout", server.drain_timeout_ms},
      {"--stall-timeout", server.stall_timeout_ms}};
  for (const auto& [name, value] : positive) {
    if (value < 1) {
      fail(ErrorCode::kInvalidArgument, std::string_view(name), " ", value, ": must be at least 1");
    }
  }
  // Thirty years: what is counted in nanoseconds stays within 64 bits.
  static constexpr int64_t kMostMs = 1'000'000'000'000;
  const auto check_time = [](std::string_view name, int64_t value) {
    if (value <= kMostMs) return;
    fail(ErrorCode::kInvalidArgument, name, " ", value, ": must be at most ", kMostMs, " ms");
  };
  check_time("--default-timeout", server.default_timeout_ms);
  for (const auto& [name, value] :
       {std::pair("--default-timeout", server.default_timeout_ms),
        std::pair("--hold-queue", server.hold_queue), std::pair("--cache", server.cache_bytes)}) {
    if (value < 0) {
      fail(ErrorCode::kInvalidArgument, std::string_view(name), " ", value, ": must be at least 0");
    }
  }
  for (const auto& [name, value] : positive) {
    const std::string_view flag = name;
    if (flag.ends_with("-timeout") || flag.ends_with("-latency")) check_time(flag, value);
  }
  if (server.max_held_bytes - server.max_held_bytes / 4 < server.max_body_bytes) {
    fail(ErrorCode::kInvalidArgument, "--max-held-bytes ", server.max_held_bytes,
         ": a quarter is kept for small bodies, and one of --max-body ", server.max_body_bytes,
         " would never find room; must be at least ",
         server.max_body_bytes + server.max_body_bytes / 3 + 1);
  }
}

void check_traces(const serve::TraceOptions& traces) {
  const serve::TraceOptions none;
  if (traces.endpoint.empty() &&
      (traces.service != none.service || !traces.headers.empty() || traces.share != none.share)) {
    fail(ErrorCode::kInvalidArgument,
         "--otlp-service-name, --otlp-headers and --trace-share are for --otlp-endpoint");
  }
  if (!(traces.share >= 0 && traces.share <= 1)) {
    fail(ErrorCode::kInvalidArgument, "--trace-share ", traces.share, ": must lie in 0..1");
  }
}

}  // namespace

void check_server_options(const serve::ServerOptions& server) {
  if (server.port < 0 || server.port > 65535) {
    fail(ErrorCode::kInvalidArgument, "--port ", server.port, ": must lie in 0..65535");
  }
  if (server.grpc_port < -1 || server.grpc_port > 65535) {
    fail(ErrorCode::kInvalidArgument, "--grpc-port ", server.grpc_port, ": must lie in -1..65535");
  }
  if (server.tokenizer_threads < 0 || server.tokenizer_threads > kMostThreads) {
    fail(ErrorCode::kInvalidArgument, "--tokenizer-threads ", server.tokenizer_threads,
         ": must lie in 0..", kMostThreads);
  }
  check_names(server);
  check_kserve_names(server);
  check_origin(server.cors_origin);
  check_limits(server);
  check_traces(server.traces);
  if (!server.uds.empty() && !server.http_sockets.empty()) {
    fail(ErrorCode::kInvalidArgument, "--uds ", server.uds,
         ": systemd has opened the sockets of HTTP already (LISTEN_FDS)");
  }
  if (server.tls_certificate.empty() != server.tls_key.empty()) {
    fail(ErrorCode::kInvalidArgument, "--tls-certificate and --tls-key go together");
  }
  if (server.models.empty() && server.model_repository.empty() && server.identity_model.empty()) {
    fail(ErrorCode::kInvalidArgument, "no model; give MODEL or --model-repository FOLDER");
  }
}

}  // namespace tamis::cli
