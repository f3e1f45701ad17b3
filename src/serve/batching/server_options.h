// What `tamis serve` can be told.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model/loaded_model.h"

namespace tamis::serve {

struct ModelArgument {
  std::string name;
  std::string source;
};

/// One caller, or a group of them.
struct ApiKey {
  std::string name;  ///< in the log, /metrics and messages; never the key itself
  std::string key;
  double requests_per_minute = 0;  ///< 0: no limit
  bool admin = false;              ///< may load and unload models
};

/// Where what requests took is sent to, and of which of them.
struct TraceOptions {
  std::string endpoint;  ///< OTLP over HTTP, without /v1/traces; empty: nowhere
  std::string service = "tamis";
  std::string headers;  ///< "name=value,name=value"
  double share = 1;     ///< of requests whose caller has no trace, in [0, 1]
};

/// Who may load and unload models without an API key.
enum class ModelControl : uint8_t {
  kNone,      ///< nobody
  kExplicit,  ///< callers on this machine (admin_guard)
};

struct ServerOptions {
  std::vector<ModelArgument> models;
  std::string model_repository;  ///< empty: none
  int64_t versions = 1;
  std::string identity_model;  ///< the name it gets; empty: there is none
  std::map<std::string, double> weights;
  std::map<std::string, std::string> aliases;  ///< RepositoryOptions::aliases
  /// By model's name; under "" that of all others. Nothing: what the model was made for.
  std::map<std::string, tasks::TaskKind> tasks;
  api::ModelOptions model;  ///< precision, isas, max_length, pool

  std::string host = "127.0.0.1";
  int64_t port = 8000;
  std::string uds;                ///< HTTP's path instead of host and port; empty: none
  std::vector<int> http_sockets;  ///< that listen already, instead of both
  std::vector<int> grpc_sockets;
  int64_t grpc_port = 8001;      ///< below 0: no gRPC
  std::string api_key;           ///< one without limits that may do all; empty: there is none
  std::vector<ApiKey> api_keys;  ///< further ones; if there is none of either, nobody is asked
  std::string tls_certificate;
  std::string tls_key;
  ModelControl model_control = ModelControl::kNone;
  std::string cors_origin;  ///< what browsers are told; empty: nothing

  int64_t max_batch_tokens = 0;  ///< 0: by the device, and on a CPU by the number of threads
  int64_t max_queue_latency_ms = 2000;
  int64_t default_timeout_ms = 0;
  int64_t hold_queue = 0;
  int64_t max_body_bytes = int64_t{16} << 20;
  int64_t max_items = 4096;                       ///< of each list of one request
  int64_t max_answer_bytes = int64_t{256} << 20;  ///< an answer and all that it is made of
  int64_t max_held_bytes = int64_t{512} << 20;    ///< of bodies, over all HTTP connections
  int64_t max_connections = 16384;                ///< of each port
  int64_t idle_timeout_ms = 75'000;
  int64_t header_timeout_ms = 10'000;
  int64_t request_timeout_ms = 30'000;
  int64_t drain_timeout_ms = 30'000;
  int64_t stall_timeout_ms = 60'000;
  int64_t cache_bytes = 0;        ///< of answers that are kept; 0: none are
  int64_t tokenizer_threads = 0;  ///< 0: by the number of threads
  /// A declared model that could not be loaded keeps the server from being ready.
  bool ready_needs_all = true;
  bool auto_truncate = true;
  bool log_requests = false;
  TraceOptions traces;
  bool compress = false;  ///< answers, for clients that take gzip; KServe's always
};

}  // namespace tamis::serve
