#include "serve/server.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/log.h"
#include "base/percent.h"
#include "serve/batching/current_error.h"
#include "serve/batching/status_error.h"
#include "serve/http/http_head.h"
#include "serve/protocol/http_filters.h"
#include "serve/router.h"

namespace tamis::serve {

namespace {

constexpr int64_t kMillisecond = 1'000'000;
// Bodies that are read where they arrive: about 10 us, what two thread switches cost under load.
constexpr size_t kInlineBodyBytes = 4096;
// Without a byte from a collector of traces.
constexpr int64_t kTraceTimeoutS = 5;
// When to come back with a body that there was no room for.
constexpr int64_t kRetryMs = 1000;

int default_workers(const ServerOptions& options) {
  if (options.tokenizer_threads > 0) return static_cast<int>(options.tokenizer_threads);
  const int threads = options.model.pool ? options.model.pool->threads() : default_thread_count();
  return std::max(1, threads);
}

// Three blocks of the CPU engine's 256 tokens for each thread: enough to keep all of them busy (two
// cost a tenth of the throughput, four gain nothing), and short enough (60 ms for MiniLM on two
// cores) that nobody waits long behind a batch. A CUDA device takes what its engine suggests.
int64_t default_batch_tokens(const ServerOptions& options) {
  if (options.model.device.kind == device::DeviceKind::kCuda) return 8192;
  const int threads = options.model.pool ? options.model.pool->threads() : default_thread_count();
  return int64_t{768} * threads;
}

BatcherOptions batcher_options(const ServerOptions& options) {
  BatcherOptions batcher;
  batcher.budget.tokens =
      options.max_batch_tokens > 0 ? options.max_batch_tokens : default_batch_tokens(options);
  batcher.max_queue_latency_ns = options.max_queue_latency_ms * kMillisecond;
  batcher.hold_jobs = options.hold_queue;
  return batcher;
}

using Note = std::function<void(const std::string& name, const std::string& progress)>;

// A note for each hundredth, a line of the log for each tenth.
hub::PullOptions pull_options(const std::string& name, const Note& note) {
  hub::PullOptions options;
  options.progress = [name, note, last = int64_t{-1}](const hub::PullProgress& now) mutable {
    const int64_t percent = 100 * now.done_bytes / std::max<int64_t>(now.total_bytes, 1);
    if (percent == last) return;
    const bool log_it = last < 0 || percent / 10 > last / 10;
    last = percent;
    const std::string text = cat("downloading ", percent, " %");
    note(name, now.done_bytes < now.total_bytes ? text : "");
    if (log_it) log(LogLevel::kInfo, cat(name, ": ", text, " of ", now.model));
  };
  return options;
}

RepositoryOptions repository_options(const ServerOptions& options, Metrics& metrics, Note note) {
  RepositoryOptions repository;
  repository.load = [model = options.model, tasks = options.tasks, note = std::move(note)](
                        const std::string& name, const std::string& source) {
    api::ModelOptions own = model;
    const auto all = tasks.find("");
    const auto named = tasks.find(name);
    if (all != tasks.end()) own.task = all->second;
    if (named != tasks.end()) own.task = named->second;
    return load_servable(source, own, pull_options(name, note));
  };
  repository.batcher = batcher_options(options);
  repository.batcher.report = [&metrics, budget = repository.batcher.budget](
                                  const BatchReport& report) { metrics.observe(report, budget); };
  repository.weights = options.weights;
  repository.aliases = options.aliases;
  repository.folder = options.model_repository;
  repository.versions = options.versions;
  return repository;
}

ErrorCode code_of(int status) {
  switch (status) {
    case 501:
      return ErrorCode::kUnsupported;
    case 503:
      return ErrorCode::kUnavailable;
    case 500:
      return ErrorCode::kInternal;
    default:
      return ErrorCode::kInvalidArgument;
  }
}

// Voyage's client reads `detail`, also of the route that it shares with OpenAI's. It takes its name
// off before it sends, which leaves that of the library under it.
Dialect dialect_for(const HttpRequest& request, Dialect of_route) {
  if (of_route != Dialect::kOpenAi) return of_route;
  const std::string_view agent = request.header("User-Agent");
  const bool asynchronous = agent.starts_with("Python/") && agent.find("aiohttp/") != agent.npos;
  const bool voyage =
      asynchronous || agent.starts_with("python-requests/") || agent.starts_with("Voyage/");
  return voyage ? Dialect::kVoyage : of_route;
}

std::string id_of(const HttpRequest& request) {
  const std::string_view given = request.header("X-Request-Id");
  return given.empty() ? cat(request.connection, "-", request.arrived_ns) : std::string(given);
}

// What the connection refuses is said in the form of the route that was asked, where it is known.
HttpResponse refuse_in_dialect(const HttpRefusal& refusal, Dialect dialect) {
  if (refusal.status == 401) return key_refusal({KeyAnswer::Verdict::kUnknown}, dialect);
  return error_response(
      dialect, StatusError(refusal.status, code_of(refusal.status), std::string(refusal.reason)),
      refusal.status == 503 ? kRetryMs : 0);
}

// An answer to a request of which no call is made.
HttpResponse without_call(const HttpRequest& request, Dialect dialect, std::string error,
                          const ServerOptions& options, HttpResponse response) {
  RequestLog log;
  log.id = id_of(request);
  log.error = std::move(error);
  finish_response(request, dialect, log.id, options, response);
  if (options.log_requests) {
    const int64_t total_us = (Clock::steady().now_ns() - request.arrived_ns) / 1000;
    tamis::log(LogLevel::kInfo, log_line(request, log, response.status, total_us));
  }
  return response;
}

// `options` outlive the server.
HttpServerOptions http_options(const ServerOptions& options) {
  HttpServerOptions http;
  http.address = {options.host, static_cast<uint16_t>(options.port), options.uds,
                  options.http_sockets};
  http.max_body_bytes = static_cast<size_t>(options.max_body_bytes);
  http.max_held_bytes = static_cast<size_t>(options.max_held_bytes);
  http.max_connections = static_cast<size_t>(options.max_connections);
  http.idle_timeout_ns = options.idle_timeout_ms * kMillisecond;
  http.header_timeout_ns = options.header_timeout_ms * kMillisecond;
  http.request_timeout_ns = options.request_timeout_ms * kMillisecond;
  http.tls_certificate = options.tls_certificate;
  http.tls_key = options.tls_key;
  http.refuse = [&options](const HttpRequest& request, const HttpRefusal& refusal) {
    const Dialect dialect = dialect_for(request, find_route(request.method, request.path).dialect);
    return without_call(request, dialect, std::string(refusal.reason), options,
                        refuse_in_dialect(refusal, dialect));
  };
  return http;
}

}  // namespace

Server::Server(ServerOptions options) : options_(std::move(options)), keys_(options_) {
  workers_ = std::make_unique<WorkerPool>(default_workers(options_));
  models_ = std::make_unique<ModelRepository>(repository_options(
      options_, metrics_, [this](const std::string& name, const std::string& progress) {
        models_->note(name, progress);
      }));
  CoreOptions core;
  core.default_timeout_us = options_.default_timeout_ms * 1000;
  core.stall_ns = options_.stall_timeout_ms * kMillisecond;
  core.limits = {options_.max_items, options_.max_answer_bytes};
  core.ready_needs_all = options_.ready_needs_all;
  core.cache_bytes = options_.cache_bytes;
  core_ = std::make_unique<Core>(*models_, *workers_, core);
  if (!options_.traces.endpoint.empty()) {
    traces_ = std::make_unique<TraceExporter>(options_.traces, hub::make_transport(kTraceTimeoutS));
  }
  core_->set_observer([this](const RequestReport& report) {
    metrics_.observe(report);
    if (traces_) traces_->observe(report);
  });
  for (const ModelArgument& model : options_.models) models_->declare(model.name, model.source);
  if (!options_.model_repository.empty()) models_->declare_folder();
  HttpServerOptions http = http_options(options_);
  http.takes_body = [this](const HttpHead& head) {
    if (keys_.knows(find_header(head.headers, "Authorization"),
                    find_header(head.headers, "api-key"))) {
      return true;
    }
    std::string path;
    const bool known = percent_decode(head.path, path);
    const RouteMatch match = find_route(head.method, known ? path : std::string());
    return match.route != nullptr && match.route->open;
  };
  http.freed = [this](int64_t bytes) { core_->memory().gave(bytes); };
  http_ = std::make_unique<HttpServer>(
      std::move(http), [this](const HttpExchangePtr& exchange) { handle(exchange); });
  if (options_.grpc_port >= 0) grpc_ = std::make_unique<GrpcServer>(*core_, options_, keys_);
  host_.emplace(CallHost{*core_, options_, metrics_, [this] { return counts(); }});
  http_->start();
}

// What waits is answered before its connections go.
Server::~Server() {
  core_->start_drain();
  core_->close();
  grpc_.reset();
  http_->stop();
  // What they still do (a model that loads, texts to tokenize) answers exchanges and asks the core:
  // both go when nobody holds them any more.
  core_->loader().stop();
  core_->long_texts().stop();
  workers_->stop();
  http_.reset();
  core_.reset();
  models_.reset();
}

ServerCounts Server::counts() const {
  ServerCounts counts{http_->counts(), keys_.counts(), std::nullopt};
  if (traces_) counts.traces_dropped = traces_->dropped();
  return counts;
}

void Server::load() {
  if (!options_.identity_model.empty()) {
    models_->add(options_.identity_model, make_identity_model());
  }
  models_->load_all();
}

bool Server::drain() {
  core_->start_drain();
  http_->drain();
  models_->drain();
  const auto until =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(options_.drain_timeout_ms);
  if (grpc_ && !grpc_->drain(options_.drain_timeout_ms)) return false;
  while (core_->in_flight() != 0 || core_->loader().unfinished() != 0 || !http_->is_drained()) {
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

void Server::handle(const HttpExchangePtr& exchange) noexcept {
  try {
    try {
      route(exchange);
    } catch (...) {
      const Error error = current_error();
      exchange->respond(without_call(exchange->request(), Dialect::kTei, error.what(), options_,
                                     error_response(Dialect::kTei, error)));
    }
  } catch (...) {
    exchange->abandon();
  }
}

void Server::route(const HttpExchangePtr& exchange) {
  HttpRequest& request = exchange->request();
  if (request.method == "OPTIONS") {
    const std::string allowed = allowed_methods(request.path);
    if (!allowed.empty()) {
      exchange->respond(without_call(request, Dialect::kNative, "", options_,
                                     answer_options(request, allowed, options_)));
      return;
    }
  }
  RouteMatch match = find_route(request.method, request.path, [this](std::string_view name) {
    return static_cast<bool>(models_->find(std::string(name)));
  });
  match.dialect = dialect_for(request, match.dialect);
  const auto call = std::make_shared<Call>(*host_, exchange, match.dialect);
  call->id = id_of(request);
  if (match.route == nullptr) {
    HttpResponse response = error_response(
        match.dialect,
        Error(ErrorCode::kNotFound, match.other_method ? "Method Not Allowed" : "Not Found"));
    if (match.other_method) {
      response.status = 405;
      response.headers.emplace_back("Allow", allowed_methods(request.path));
    }
    call->respond(std::move(response));
    return;
  }
  if (!match.route->open) {
    call->key = keys_.admit(request.header("Authorization"), request.header("api-key"));
  }
  if (!call->key.allowed()) {
    call->respond(key_refusal(call->key, match.dialect));
    return;
  }
  call->path_model = std::move(match.model);
  call->path_decides = match.prefixed;
  call->path_version = std::move(match.version);
  call->path_task = std::move(match.task);
  dispatch(call, match.route->endpoint, request);
}

// A body that takes long to unpack or to read goes to a worker: this thread answers health.
void Server::dispatch(const CallPtr& call, Endpoint endpoint, HttpRequest& request) {
  core_->set_protocol_thread();
  const auto answer = [this, call, endpoint, &request] {
    try {
      decompress_request(request, options_);
      endpoint(call);
    } catch (const Error& error) {
      call->respond_error(error);  // as it is: dialects tell some errors apart by their types
    } catch (...) {
      call->respond_error(current_error());
    }
  };
  const size_t bytes = request.body.size();
  core_->memory().gave(static_cast<int64_t>(bytes));
  if (bytes > kInlineBodyBytes || request.has_header("Content-Encoding")) {
    workers_->post(answer);
    return;
  }
  core_->note_work(static_cast<int64_t>(bytes));
  answer();
}

}  // namespace tamis::serve
