#include "serve/core/metrics.h"

#include "base/error.h"
#include "serve/core/process_metrics.h"

namespace tamis::serve {

namespace {

constexpr std::string_view kMethods[] = {"single", "batch"};

// text-embeddings-inference's name of a failure, by ErrorCode.
constexpr std::string_view kFailures[] = {"validation", "validation", "validation", "model_type",
                                          "overloaded", "timeout",    "dropped",    "unhealthy",
                                          "inference",  "inference"};

constexpr double kMicrosecond = 1e-6;

void add(std::atomic<double>& sum, double value) {
  double before = sum.load(std::memory_order_relaxed);
  while (!sum.compare_exchange_weak(before, before + value, std::memory_order_relaxed)) {
  }
}

struct HelpRow {
  std::string_view name;
  std::string_view help;
};

constexpr HelpRow kHelp[] = {
#define X(name, help) {name, help},
#include "serve/core/metrics_help.inc"
#undef X
};

void type_line(std::string_view name, std::string_view type, std::string& out) {
  for (const HelpRow& row : kHelp) {
    if (row.name == name) out += cat("# HELP ", name, " ", row.help, "\n");
  }
  out += cat("# TYPE ", name, " ", type, "\n");
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out.push_back('\\');
    out += c == '\n' ? "\\n" : std::string(1, c);
  }
  return out;
}

std::string labels_of(const ModelVersion& model) {
  return cat("model=\"", escaped(model.name()), "\",version=\"", model.version(), "\"");
}

/// A row of Triton's metrics: the name, and the number for a model.
struct ModelRow {
  std::string_view name;
  std::string_view type;
  std::string_view label;  ///< beside model and version
  double (*value)(ModelVersion& model, const ModelStatsView& stats);
};

double us(const StatDuration& stat) {
  const int64_t whole = stat.ns / 1000;
  return static_cast<double>(whole);
}

constexpr ModelRow kModelRows[] = {
    {"nv_inference_request_success", "counter", "",
     [](ModelVersion&, const ModelStatsView& s) { return static_cast<double>(s.success.count); }},
    {"nv_inference_request_failure", "counter", ",reason=\"REJECTED\"",
     [](ModelVersion&, const ModelStatsView& s) { return static_cast<double>(s.rejected); }},
    {"nv_inference_request_failure", "", ",reason=\"CANCELED\"",
     [](ModelVersion&, const ModelStatsView& s) { return static_cast<double>(s.cancelled); }},
    {"nv_inference_request_failure", "", ",reason=\"OTHER\"",
     [](ModelVersion&, const ModelStatsView& s) {
       return static_cast<double>(s.fail.count - s.rejected - s.cancelled);
     }},
    {"nv_inference_count", "counter", "",
     [](ModelVersion&, const ModelStatsView& s) { return static_cast<double>(s.inference_count); }},
    {"nv_inference_exec_count", "counter", "",
     [](ModelVersion&, const ModelStatsView& s) { return static_cast<double>(s.execution_count); }},
    {"nv_inference_request_duration_us", "counter", "",
     [](ModelVersion&, const ModelStatsView& s) { return us(s.success); }},
    {"nv_inference_queue_duration_us", "counter", "",
     [](ModelVersion&, const ModelStatsView& s) { return us(s.queue); }},
    {"nv_inference_compute_input_duration_us", "counter", "",
     [](ModelVersion&, const ModelStatsView& s) { return us(s.compute_input); }},
    {"nv_inference_compute_infer_duration_us", "counter", "",
     [](ModelVersion&, const ModelStatsView& s) { return us(s.compute_infer); }},
    {"nv_inference_compute_output_duration_us", "counter", "",
     [](ModelVersion&, const ModelStatsView& s) { return us(s.compute_output); }},
    {"nv_inference_pending_request_count", "gauge", "",
     [](ModelVersion& m, const ModelStatsView&) {
       return static_cast<double>(m.batcher().queued_jobs());
     }},
    {"tamis_queue_tokens", "gauge", "",
     [](ModelVersion& m, const ModelStatsView&) {
       return static_cast<double>(m.batcher().queued_tokens());
     }},
    {"tamis_model_tokens_per_second", "gauge", "",
     [](ModelVersion& m, const ModelStatsView&) { return m.batcher().tokens_per_second(); }},
};

void print_models(Core& core, std::string& out) {
  const std::vector<ModelLease> models = core.models().loaded();
  for (const ModelRow& row : kModelRows) {
    if (!row.type.empty()) type_line(row.name, row.type, out);
    for (const ModelLease& model : models) {
      out += cat(row.name, "{", labels_of(*model), row.label, "} ",
                 row.value(*model, model->stats().view()), "\n");
    }
  }
}

void print_cache(const CacheCounts& counts, std::string& out) {
  type_line("tamis_cache_hits_total", "counter", out);
  out += cat("tamis_cache_hits_total ", counts.hits, "\n");
  type_line("tamis_cache_misses_total", "counter", out);
  out += cat("tamis_cache_misses_total ", counts.misses, "\n");
  type_line("tamis_cache_entries", "gauge", out);
  out += cat("tamis_cache_entries ", counts.entries, "\n");
  type_line("tamis_cache_bytes", "gauge", out);
  out += cat("tamis_cache_bytes ", counts.bytes, "\n");
}

void print_keys(std::span<const KeyCount> keys, std::string& out) {
  if (!keys.empty()) type_line("tamis_key_requests_total", "counter", out);
  for (const KeyCount& key : keys) {
    const std::string name = cat("tamis_key_requests_total{key=\"", escaped(key.name));
    out += cat(name, "\",outcome=\"allowed\"} ", key.allowed, "\n");
    out += cat(name, "\",outcome=\"limited\"} ", key.limited, "\n");
  }
}

}  // namespace

void Histogram::observe(double value) {
  size_t bucket = 0;
  for (double bound = first_; bucket < kBuckets && value > bound; bound *= 2) ++bucket;
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
  add(sum_, value);
}

void Histogram::print(std::string_view name, std::string& out) const {
  type_line(name, "histogram", out);
  uint64_t total = 0;
  double bound = first_;
  for (size_t i = 0; i < kBuckets; ++i, bound *= 2) {
    total += counts_[i].load(std::memory_order_relaxed);
    out += cat(name, "_bucket{le=\"", bound, "\"} ", total, "\n");
  }
  total += counts_[kBuckets].load(std::memory_order_relaxed);
  out += cat(name, "_bucket{le=\"+Inf\"} ", total, "\n");
  out += cat(name, "_sum ", sum_.load(), "\n", name, "_count ", total, "\n");
}

void Metrics::observe(const RequestReport& report) {
  const Reply& reply = *report.reply;
  const size_t inputs = report.request->inputs.size() + report.request->rows.size();
  const size_t method = inputs > 1 ? 1 : 0;
  requests_[method].fetch_add(1, std::memory_order_relaxed);
  if (reply.error) {
    failures_[static_cast<size_t>(reply.error->code())].fetch_add(1, std::memory_order_relaxed);
    return;
  }
  successes_[method].fetch_add(1, std::memory_order_relaxed);
  tokens_.fetch_add(static_cast<uint64_t>(reply.tokens), std::memory_order_relaxed);
  duration_.observe(static_cast<double>(report.total_ns) * 1e-9);
  tokenization_.observe(static_cast<double>(reply.timings.tokenize_us) * kMicrosecond);
  queue_.observe(static_cast<double>(reply.timings.queue_us) * kMicrosecond);
  inference_.observe(static_cast<double>(reply.timings.run_us) * kMicrosecond);
  for (const int64_t tokens : reply.tokens_of_input) {
    input_length_.observe(static_cast<double>(tokens));
  }
}

void Metrics::observe(const BatchReport& report, const BatchBudget& budget) {
  batch_size_.observe(static_cast<double>(report.rows));
  batch_tokens_.observe(static_cast<double>(report.tokens));
  batch_fill_.observe(static_cast<double>(report.tokens) / static_cast<double>(budget.tokens));
  tokens_per_second_.observe(static_cast<double>(report.tokens) * 1e9 /
                             static_cast<double>(report.run_ns));
}

std::string Metrics::print(Core& core, const ServerCounts& counts) const {
  std::string out;
  type_line("te_request_count", "counter", out);
  for (size_t i = 0; i < 2; ++i) {
    out += cat("te_request_count{method=\"", kMethods[i], "\"} ", requests_[i].load(), "\n");
  }
  type_line("te_request_success", "counter", out);
  for (size_t i = 0; i < 2; ++i) {
    out += cat("te_request_success{method=\"", kMethods[i], "\"} ", successes_[i].load(), "\n");
  }
  // Several codes share a name there.
  std::map<std::string_view, uint64_t> failures;
  for (size_t i = 0; i < kErrors; ++i) failures[kFailures[i]] += failures_[i].load();
  type_line("te_request_failure", "counter", out);
  for (const auto& [name, count] : failures) {
    out += cat("te_request_failure{err=\"", name, "\"} ", count, "\n");
  }
  duration_.print("te_request_duration", out);
  tokenization_.print("te_request_tokenization_duration", out);
  queue_.print("te_request_queue_duration", out);
  inference_.print("te_request_inference_duration", out);
  input_length_.print("te_request_input_length", out);
  batch_size_.print("te_batch_next_size", out);
  batch_tokens_.print("te_batch_next_tokens", out);
  batch_fill_.print("tamis_batch_fill", out);
  tokens_per_second_.print("tamis_batch_tokens_per_second", out);
  int64_t queued = 0;
  for (const ModelLease& model : core.models().loaded()) queued += model->batcher().queued_jobs();
  type_line("te_queue_size", "gauge", out);
  out += cat("te_queue_size ", queued, "\n");
  type_line("tamis_tokens_total", "counter", out);
  out += cat("tamis_tokens_total ", tokens_.load(), "\n");
  type_line("tamis_http_connections", "gauge", out);
  out += cat("tamis_http_connections ", counts.http.connections, "\n");
  type_line("tamis_http_connections_total", "counter", out);
  out += cat("tamis_http_connections_total ", counts.http.accepted, "\n");
  type_line("tamis_http_timeouts_total", "counter", out);
  out += cat("tamis_http_timeouts_total ", counts.http.timed_out, "\n");
  type_line("tamis_protocol_thread_largest_work", "gauge", out);
  out += cat("tamis_protocol_thread_largest_work ", core.largest_protocol_work(), "\n");
  if (core.cache() != nullptr) print_cache(core.cache()->counts(), out);
  print_keys(counts.keys, out);
  if (counts.traces_dropped) {
    type_line("tamis_traces_dropped_total", "counter", out);
    out += cat("tamis_traces_dropped_total ", *counts.traces_dropped, "\n");
  }
  print_models(core, out);
  for (const ProcessMetric& metric : process_metrics()) {
    type_line(metric.name, metric.type, out);
    out += cat(metric.name, " ", metric.value, "\n");
  }
  return out;
}

}  // namespace tamis::serve
