#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <optional>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "base/plain_text.h"
#include "base/thread_limit.h"
#include "cli/command.h"
#include "cli/end_signals.h"
#include "cli/serve_checks.h"
#include "device/device_option.h"
#include "serve/batching/log_writer.h"
#include "serve/http/handed_sockets.h"
#include "serve/http/http_host.h"
#include "serve/protocol/api_key.h"
#include "serve/server.h"

namespace tamis::cli {

namespace {

// "NAME=MODEL", or MODEL alone, named by model_name(). A name may hold "/", as clients'
// configurations do ("org/name"); a path that holds '=' begins like one, or lies there.
serve::ModelArgument model_argument(const std::string& text) {
  const size_t equals = text.find('=');
  std::error_code error;
  const bool is_path = text.find_first_of("/.~") == 0 || std::filesystem::exists(text, error);
  if (equals != text.npos && !is_path) {
    if (equals == 0) fail(ErrorCode::kInvalidArgument, text, ": a name must stand before '='");
    return {text.substr(0, equals), text.substr(equals + 1)};
  }
  return {api::model_name(text), text};
}

// The name before the next comma, which goes with it.
std::string take_name(const std::string& text, std::string& rest) {
  const size_t comma = std::min(rest.find(','), rest.size());
  std::string name = rest.substr(0, comma);
  rest.erase(0, comma + 1);
  if (name.empty()) {
    fail(ErrorCode::kInvalidArgument, "--served-model-name ", text, ": a name is empty");
  }
  return name;
}

serve::ModelArgument& model_named(serve::ServerOptions& server, const std::string& text,
                                  const std::string& name) {
  std::string names;
  for (serve::ModelArgument& model : server.models) {
    const bool any = name.empty() && server.models.size() == 1;
    if (any || model.name == name || model.source == name) return model;
    names += cat(names.empty() ? "" : ", ", model.name);
  }
  fail(ErrorCode::kInvalidArgument, "--served-model-name ", text, ": ",
       name.empty() ? "say of which model, as MODEL=NAME; there are " : "no such model among ",
       names.empty() ? "none" : names);
}

// "[MODEL=]NAME[,ALIAS...]": the first is the model's name from then on.
void add_served_names(const std::vector<std::string>& all, serve::ServerOptions& server) {
  for (const std::string& text : all) {
    const size_t equals = text.find('=');
    const bool named = equals != text.npos;
    serve::ModelArgument& model = model_named(server, text, named ? text.substr(0, equals) : "");
    std::string rest = text.substr(named ? equals + 1 : 0);
    model.name = take_name(text, rest);
    if (model.name == "*") {
      fail(ErrorCode::kInvalidArgument, "--served-model-name ", text,
           ": \"*\" stands behind a name");
    }
    while (!rest.empty()) {
      const std::string alias = take_name(text, rest);
      if (!server.aliases.emplace(alias, model.name).second) {
        fail(ErrorCode::kInvalidArgument, "--served-model-name ", text, ": ", alias, " came twice");
      }
    }
  }
  for (const serve::ModelArgument& model : server.models) {
    if (server.aliases.contains(model.name)) {
      fail(ErrorCode::kInvalidArgument, "--served-model-name: ", model.name,
           " is a model's name and another's alias");
    }
  }
}

// A server may have a connection for each descriptor that the system allows it.
void raise_descriptor_limit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

void add_weights(const std::vector<std::string>& weights, serve::ServerOptions& server) {
  for (const std::string& text : weights) {
    const size_t equals = text.rfind('=');
    double weight = 0;
    if (equals != text.npos) {
      const char* end = text.data() + text.size();
      const auto parsed = std::from_chars(text.data() + equals + 1, end, weight);
      if (parsed.ec != std::errc() || parsed.ptr != end) weight = 0;
    }
    if (!(weight > 0 && weight <= 1e6)) {
      fail(ErrorCode::kInvalidArgument, "--weight ", text, ": must be NAME=NUMBER, above 0");
    }
    server.weights[text.substr(0, equals)] = weight;
  }
}

serve::ModelControl model_control(const std::string& text) {
  if (text == "none") return serve::ModelControl::kNone;
  if (text == "explicit") return serve::ModelControl::kExplicit;
  fail(ErrorCode::kInvalidArgument, "--model-control ", text, ": must be none or explicit");
}

// Where other machines reach the server; empty: nowhere.
std::string open_door(const serve::ServerOptions& server) {
  for (const auto& sockets : {server.http_sockets, server.grpc_sockets}) {
    if (std::ranges::any_of(sockets, serve::is_open_to_others)) return "a socket of systemd";
  }
  const bool local = server.host.starts_with("127.") || server.host == "localhost" ||
                     server.host == "::1" || server.host == "[::1]";
  const bool http = server.uds.empty() && server.http_sockets.empty();
  const bool grpc = server.grpc_port >= 0 && server.grpc_sockets.empty();
  return !local && (http || grpc) ? cat("--host ", server.host) : "";
}

// Said once: whoever runs a container sees it in the first lines.
void warn_of_open_doors(const serve::ServerOptions& server) {
  const std::string door = open_door(server);
  if (door.empty() || !server.api_key.empty() || !server.api_keys.empty()) return;
  log(LogLevel::kWarning,
      cat(door,
          " without --api-key: whoever reaches this address may ask the "
          "models; loading and unloading them is ",
          server.model_control == serve::ModelControl::kExplicit ? "open to this machine" : "off"));
}

// "TASK" for every model, or "NAME=TASK".
void add_tasks(const std::vector<std::string>& tasks, serve::ServerOptions& server) {
  for (const std::string& text : tasks) {
    const size_t equals = text.rfind('=');
    const std::string name = equals == text.npos ? "" : text.substr(0, equals);
    server.tasks[name] = task_flag(equals == text.npos ? text : text.substr(equals + 1));
  }
}

bool needs_all(const std::string& ready) {
  if (ready == "all") return true;
  if (ready == "any") return false;
  fail(ErrorCode::kInvalidArgument, "--ready ", ready, ": must be all or any");
}

struct ServeFlags {
  CommonFlags common;
  EngineFlags engine;
  std::vector<std::string> models;
  std::vector<std::string> weights;
  std::vector<std::string> tasks;
  std::vector<std::string> served_names;
  std::optional<std::string> precision;
  std::optional<std::string> api_key;
  std::string api_keys;
  std::string device = "cpu";
  std::string model_control = "none";
  std::string ready = "all";
  int64_t max_length = 0;
  bool no_truncate = false;
};

// A secret that was to be filled in and was not would open the server to all.
void check_secret(bool given, const char* name) {
  const char* const variable = std::getenv(name);
  if (given || variable == nullptr || *variable != '\0') return;
  fail(ErrorCode::kInvalidArgument, name,
       ": is empty, and no key would be asked for; give one, or leave it out");
}

void declare_server(Options& options, ServeFlags& flags, serve::ServerOptions& server) {
  options.option("--host", server.host,
                 "the address or name to listen on; 0.0.0.0 opens it to all");
  options.option("--port", server.port, "of HTTP; 0 for any that is free");
  options.option("--uds", server.uds,
                 "a Unix domain socket at this path for HTTP, instead of --host and --port");
  options.option("--grpc-port", server.grpc_port, "of gRPC; 0 for any that is free, -1 for none");
  options.option("--model-repository", server.model_repository,
                 "a folder with a folder a model, versions as numbered folders in it");
  options.option("--versions", server.versions, "newest versions of a model that are loaded");
  options.option("--identity-model", server.identity_model,
                 "adds a model of this name that answers at no cost");
  options.option("--api-key", flags.api_key, "what clients must send as a bearer token");
  options.option("--api-keys", flags.api_keys,
                 "a JSON file of several keys, each with a name and maybe a limit");
  options.option("--tls-certificate", server.tls_certificate, "a PEM file; HTTP becomes HTTPS");
  options.option("--tls-key", server.tls_key, "its key, a PEM file");
  options.text("--cors-origin", server.cors_origin,
               "which pages of other origins may call from a browser: one, or '*' (default: none)");
}

void declare_limits(Options& options, serve::ServerOptions& server) {
  options.option("--max-batch-tokens", server.max_batch_tokens,
                 "most tokens in one run (default: 768 for each thread, 8192 on a CUDA device)");
  options.option("--max-queue-latency", server.max_queue_latency_ms,
                 "ms; a request that would wait longer is refused");
  options.option("--default-timeout", server.default_timeout_ms,
                 "ms; a request that is older when its turn comes is refused; 0: never");
  options.option("--hold-queue", server.hold_queue,
                 "start a batch only when so many requests wait; for tests");
  options.option("--max-body", server.max_body_bytes, "bytes");
  options.option("--max-items", server.max_items, "texts, labels or ids in a list of a request");
  options.option("--cache", server.cache_bytes,
                 "bytes of answers that are kept for sequences that come again; 0: none");
  options.option("--max-answer", server.max_answer_bytes,
                 "bytes that an answer and what it is made of may take");
  options.option("--max-held-bytes", server.max_held_bytes,
                 "bytes that all bodies, all answers not sent yet and all of gRPC may hold, each");
  options.option("--max-connections", server.max_connections, "open at once, on each port");
  options.option("--idle-timeout", server.idle_timeout_ms, "ms between a connection's requests");
  options.option("--header-timeout", server.header_timeout_ms,
                 "ms for a request's head, or for TLS's handshake");
  options.option("--request-timeout", server.request_timeout_ms, "ms for a request to arrive");
  options.option("--drain-timeout", server.drain_timeout_ms, "ms to answer what waits at the end");
  options.option("--stall-timeout", server.stall_timeout_ms,
                 "ms after which a batch that still runs turns readiness off");
  options.option("--tokenizer-threads", server.tokenizer_threads, "0: as many as threads");
  options.flag("--compress", server.compress, "gzip answers for clients that take it");
  options.flag("--log-requests", server.log_requests, "a line for each request");
  options.option("--otlp-endpoint", server.traces.endpoint,
                 "send traces to this collector of OpenTelemetry: http://HOST:4318");
  options.option("--otlp-service-name", server.traces.service, "the service that traces name");
  options.option("--otlp-headers", server.traces.headers,
                 "NAME=VALUE,...: sent to the collector, as a key");
  options.option("--trace-share", server.traces.share,
                 "of requests whose client has no trace, 0 to 1");
}

// A request's line is JSON as it stands; the rest is for a person. Whoever reads standard error may
// be slow or gone: the server goes on.
std::shared_ptr<serve::LogWriter> log_to_standard_error() {
  std::signal(SIGPIPE, SIG_IGN);
  auto writer = std::make_shared<serve::LogWriter>(STDERR_FILENO);
  set_log_sink([writer](LogLevel, std::string_view message) {
    const std::string line = plain_text(message);
    writer->write(line.starts_with('{') ? line : cat("tamis: ", line));
  });
  return writer;
}

// One broken model of a repository does not keep the others from being served.
void load(serve::Server& server) {
  try {
    server.load();
  } catch (const Error& error) {
    const bool others = !server.core().models().loaded().empty();
    const bool all_or_none =
        server.options().model_repository.empty() && server.options().ready_needs_all;
    if (all_or_none || !others) throw;
    log(LogLevel::kError, error.what());
  }
}

// False: told to end first, while a model is still being read; the server must then outlive the
// process.
bool load_unless_ended(EndSignals& signals, serve::Server& server) {
  struct Loading {
    std::atomic<bool> ended = false;
    std::exception_ptr error;
  };
  const auto loading = std::make_shared<Loading>();
  std::thread loader([&signals, &server, loading] {
    try {
      load(server);
    } catch (...) {
      loading->error = std::current_exception();
    }
    loading->ended.store(true);
    signals.notify();
  });
  signals.wait([&] { return loading->ended.load(); });
  if (!loading->ended.load()) {
    loader.detach();
    return false;
  }
  loader.join();
  if (loading->error) std::rethrow_exception(loading->error);
  return true;
}

// At once, whatever still runs.
[[noreturn]] void end_process(serve::LogWriter& log_writer, int status) {
  log_writer.flush(1000);
  std::_Exit(status);
}

void say_where(const serve::Server& server) {
  const std::string host = serve::host_in_url(server.options().host);
  const serve::ServerOptions& options = server.options();
  const bool tls = !options.tls_certificate.empty();
  const std::string scheme = tls ? "https" : "http";
  if (!options.http_sockets.empty()) {
    print_lines(cat("tamis serves ", scheme, " on ", options.http_sockets.size(),
                    " of systemd's sockets\n"));
  } else if (!options.uds.empty()) {
    print_lines(cat("tamis serves ", scheme, " on ", options.uds, "\n"));
  } else {
    print_lines(cat("tamis serves ", scheme, "://", host, ":", int{server.http_port()}, "\n"));
  }
  if (server.grpc_port() != 0) {
    print_lines(cat("tamis serves ", tls ? "grpcs" : "grpc", "://", host, ":",
                    int{server.grpc_port()}, "\n"));
  }
  std::fflush(stdout);
}

// False, and said: not everything was answered in time.
bool drain(serve::Server& server) {
  if (server.drain()) return true;
  log(LogLevel::kError, cat("not everything was answered within --drain-timeout ",
                            server.options().drain_timeout_ms));
  return false;
}

int run(EndSignals& signals, serve::ServerOptions options, bool quiet) {
  raise_descriptor_limit();
  const auto log_writer = log_to_standard_error();
  warn_of_open_doors(options);
  serve::Server server(std::move(options));
  bool loaded = false;
  try {
    loaded = load_unless_ended(signals, server);
  } catch (...) {
    // Models that were there before are being asked.
    (void)drain(server);
    throw;
  }
  if (loaded) {
    for (const serve::ModelLease& model : server.core().models().loaded()) {
      if (quiet || !model->info().checkpoint) continue;
      log(LogLevel::kInfo,
          cat(model->name(), " runs ", model->info().precision, "; `tamis optimize ",
              model->info().source, " -o BUNDLE` makes a bundle that loads faster",
              model->info().precision == "fp32" ? " and runs faster" : ""));
    }
    say_where(server);
    signals.wait([] { return false; });
  }
  const bool answered = drain(server);
  if (!answered || !loaded) end_process(*log_writer, answered ? 0 : 1);
  return 0;
}

}  // namespace

int cmd_serve(const std::vector<std::string>& arguments) {
  Options options("serve", "Answers over HTTP: TEI, OpenAI, KServe, Hugging Face and Cohere.",
                  "tamis serve minilm=build/models/minilm --port 8000\n"
                  "  tamis serve sentence-transformers/all-MiniLM-L6-v2");
  ServeFlags flags;
  serve::ServerOptions server;
  if (!serve::GrpcServer::is_built()) server.grpc_port = -1;
  options.positional("MODEL", flags.models, false,
                     "models as MODEL or NAME=MODEL: folders, bundles or hub ids");
  declare_server(options, flags, server);
  declare_limits(options, server);
  options.option("--model-control", flags.model_control,
                 "explicit: programs on this machine may load and unload models without a key; "
                 "none: only callers with the key");
  options.option("--ready", flags.ready,
                 "all: not ready while a model could not be loaded; any: ready with the others");
  options.option(
      "--served-model-name", flags.served_names,
      "[MODEL=]NAME[,ALIAS...]: the model's name and others for it; the alias * is every "
      "name that no model has");
  options.option("--weight", flags.weights, "NAME=NUMBER: a model's share of the cores");
  options.option(
      "--task", flags.tasks,
      "TASK, or NAME=TASK for one model: what it answers, where its files leave a choice");
  options.option("--precision", flags.precision, "fp32, bf16 or int8; a bundle runs as made");
  add_device_option(options, flags.device);
  options.option("--max-length", flags.max_length, "longest input in tokens");
  options.flag("--no-auto-truncate", flags.no_truncate, "refuse texts that are too long");
  flags.engine.add_to(options);
  flags.common.add_to(options);
  options.read_environment("TAMIS");
  if (!options.parse(arguments)) return 0;
  for (const std::string& model : flags.models) {
    server.models.push_back(model_argument(model));
    server.models.back().source = flags.common.with_revision(server.models.back().source);
  }
  check_secret(flags.api_key.has_value(), "TAMIS_API_KEY");
  check_secret(!flags.api_keys.empty(), "TAMIS_API_KEYS");
  server.api_key = flags.api_key.value_or("");
  if (!flags.api_keys.empty()) server.api_keys = serve::read_api_keys(flags.api_keys);
  add_served_names(flags.served_names, server);
  add_weights(flags.weights, server);
  add_tasks(flags.tasks, server);
  server.auto_truncate = !flags.no_truncate;
  server.model_control = model_control(flags.model_control);
  server.ready_needs_all = needs_all(flags.ready);
  server.model.max_length = flags.max_length;
  flags.common.apply(server.model);
  flags.engine.apply(server.model);
  server.model.device = device::device_from_name(flags.device);
  EndSignals signals;
  server.model.pool = flags.common.make_pool();
  if (flags.precision) server.model.precision = api::precision_option(*flags.precision);
  serve::HandedSockets handed = serve::take_handed_sockets();
  server.http_sockets = std::move(handed.http);
  server.grpc_sockets = std::move(handed.grpc);
  check_server_options(server);
  return run(signals, std::move(server), flags.common.quiet);
}

}  // namespace tamis::cli
