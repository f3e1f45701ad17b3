// tamis_load: how many requests a server answers, and how quickly.
//
//   tamis_load --port 8000 --dialect openai --model minilm --file texts.tsv --words 14
//              --connections 32 --seconds 10
//
// One thread; its own CPU time is printed, for it shares the machine with the server.
#include <charconv>
#include <cstdio>
#include <exception>

#include "base/error.h"
#include "base/json.h"
#include "cli/options.h"
#include "load/driver.h"
#include "load/payload.h"
#include "load/texts.h"
#include "load/transport.h"

namespace tamis::load {

namespace {

struct Flags {
  Target target;
  LoadOptions load;
  PayloadOptions payload;
  std::string file;
  std::string words;
  int64_t port = 8000;
  int64_t seconds = 5;
  int64_t warmup = 1;
  int64_t grace = 10;
  int64_t texts = 2000;
  bool json = false;
};

void put_latency(JsonWriter& json, std::string_view name, const Latency& latency) {
  json.key(name).begin_object();
  json.member("count", latency.count).member("mean_ms", latency.mean);
  json.member("p50_ms", latency.p50).member("p95_ms", latency.p95);
  json.member("p99_ms", latency.p99).member("max_ms", latency.max).end_object();
}

void print_json(const Flags& flags, const LoadFigures& figures) {
  JsonWriter json;
  json.begin_object();
  json.member("dialect", flags.payload.dialect).member("words", flags.words);
  json.member("batch", flags.payload.batch).member("connections", flags.load.slots);
  json.member("rate", flags.load.rate).member("seconds", figures.seconds);
  json.member("requests_per_s", figures.per_second);
  put_latency(json, "success", figures.success);
  put_latency(json, "refused", figures.refused);
  json.key("statuses").begin_object();
  for (const auto& [status, count] : figures.statuses) {
    json.member(status < 0 ? "broken" : std::to_string(status), count);
  }
  json.end_object();
  json.member("unanswered", figures.unanswered).member("unsent", figures.unsent);
  json.member("bytes", figures.bytes).member("own_cpu_s", figures.own_cpu_seconds);
  json.end_object();
  std::printf("%s\n", json.str().c_str());
}

void print_latency(const char* name, const Latency& latency) {
  if (latency.count == 0) return;
  std::printf("%-8s %9lld  p50 %.3f  p95 %.3f  p99 %.3f  max %.3f ms\n", name,
              static_cast<long long>(latency.count), latency.p50, latency.p95, latency.p99,
              latency.max);
}

void print_text(const LoadFigures& figures) {
  std::printf("%.0f requests/s over %.1f s, own CPU %.2f s\n", figures.per_second, figures.seconds,
              figures.own_cpu_seconds);
  print_latency("answered", figures.success);
  print_latency("refused", figures.refused);
  std::printf("statuses");
  for (const auto& [status, count] : figures.statuses) {
    std::printf("  %s: %lld", status < 0 ? "broken" : std::to_string(status).c_str(),
                static_cast<long long>(count));
  }
  std::printf("  unanswered: %lld  unsent: %lld\n", static_cast<long long>(figures.unanswered),
              static_cast<long long>(figures.unsent));
}

void declare(cli::Options& options, Flags& flags) {
  options.option("--host", flags.target.host, "an IPv4 address");
  options.option("--port", flags.port, "of HTTP, or of gRPC");
  options.option("--dialect", flags.payload.dialect,
                 "tei, openai (base64), kserve-json, kserve-binary, grpc or get");
  options.option("--model", flags.payload.model, "its name; KServe and gRPC need it");
  options.option("--path", flags.payload.path, "instead of the dialect's own");
  options.option("--api-key", flags.payload.api_key, "sent as a bearer token");
  options.option("--file", flags.file, "texts: .txt, .tsv or .jsonl");
  options.option("--words", flags.words, "words of a text: N or LEAST-MOST; else the file's rows");
  options.option("--texts", flags.texts, "how many different texts");
  options.option("--batch", flags.payload.batch, "texts of a request");
  options.option("--timeout-us", flags.payload.timeout_us, "KServe: the request's deadline");
  options.option("--priority", flags.payload.priority, "KServe: 1 is served first");
  options.option("--connections", flags.load.slots, "open at once, one request each");
  options.option("--rate", flags.load.rate,
                 "requests a second, whether or not earlier ones were answered; 0: as they are");
  options.option("--requests", flags.load.requests, "ends after so many");
  options.option("--seconds", flags.seconds, "measured");
  options.option("--warmup", flags.warmup, "seconds before that");
  options.option("--grace", flags.grace,
                 "seconds that answers under way at the end are waited for");
  options.flag("--json", flags.json, "one JSON object");
}

void check(const Flags& flags) {
  const std::pair<const char*, int64_t> positive[] = {{"--port", flags.port},
                                                      {"--connections", flags.load.slots},
                                                      {"--seconds", flags.seconds},
                                                      {"--texts", flags.texts},
                                                      {"--batch", flags.payload.batch}};
  for (const auto& [name, value] : positive) {
    if (value < 1 || value > 1'000'000) {
      fail(ErrorCode::kInvalidArgument, std::string_view(name), " ", value,
           ": must lie in 1..1000000");
    }
  }
  if (flags.load.rate < 0 || flags.load.rate > 1'000'000 || flags.warmup < 0 || flags.grace < 0) {
    fail(ErrorCode::kInvalidArgument, "--rate, --warmup and --grace must not be negative");
  }
  if (flags.texts < flags.payload.batch) {
    fail(ErrorCode::kInvalidArgument, "--texts must be at least --batch");
  }
  if (flags.file.empty() && flags.payload.dialect != "get") {
    fail(ErrorCode::kInvalidArgument, "--file: texts are needed");
  }
}

std::unique_ptr<Transport> connect(const Flags& flags, std::vector<std::string> payloads) {
#ifdef TAMIS_LOAD_GRPC
  if (is_grpc(flags.payload)) {
    return make_grpc_transport(flags.target, "/inference.GRPCInferenceService/ModelInfer",
                               flags.payload.api_key, payloads);
  }
#endif
  return make_http_transport(flags.target, std::move(payloads));
}

int run(const std::vector<std::string>& arguments) {
  cli::Options options("load", "Sends requests to a server and measures the answers.",
                       "tamis_load --port 8000 --dialect tei --file texts.tsv --words 14");
  Flags flags;
  declare(options, flags);
  if (!options.parse(arguments)) return 0;
  check(flags);
  flags.target.port = static_cast<uint16_t>(flags.port);
  flags.target.slots = static_cast<size_t>(flags.load.slots);
  flags.load.duration_ms = flags.seconds * 1000;
  flags.load.warmup_ms = flags.warmup * 1000;
  flags.load.grace_ms = flags.grace * 1000;
  std::vector<std::string> texts(static_cast<size_t>(flags.texts));
  if (!flags.file.empty()) {
    texts = make_texts(flags.file, parse_word_count(flags.words), texts.size());
  }
  std::vector<std::string> payloads = make_payloads(texts, flags.payload);
  flags.load.payloads = static_cast<int64_t>(payloads.size());
  const std::unique_ptr<Transport> transport = connect(flags, std::move(payloads));
  const LoadFigures figures = run_load(*transport, flags.load);
  flags.json ? print_json(flags, figures) : print_text(figures);
  int64_t successes = 0;
  for (const auto& [status, count] : figures.statuses) {
    if (transport->is_success(status)) successes += count;
  }
  return successes > 0 ? 0 : 1;
}

}  // namespace

}  // namespace tamis::load

int main(int argc, char** argv) {
  try {
    return tamis::load::run({argv + 1, argv + argc});
  } catch (const tamis::Error& error) {
    std::fprintf(stderr, "tamis_load: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tamis_load: %s\n", error.what());
    return 70;
  }
}
