#include "serve/trace/trace_exporter.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/log.h"
#include "base/percent.h"

namespace tamis::serve {

namespace {

// So many wait until they are sent, or those that there are after so long.
constexpr size_t kBatch = 512;
constexpr std::chrono::milliseconds kPatience{1000};
// A collector that is away is asked again after 1, 2, 4 and 8 seconds.
constexpr int kTries = 5;
constexpr int64_t kFirstPauseMs = 1000;
// A collector that takes longer, or says more, is left.
constexpr std::chrono::seconds kPostTime{10};
constexpr size_t kMaxAnswerBytes = size_t{64} << 10;
// And once the exporter ends.
constexpr std::chrono::seconds kEndTime{2};
// Errors may quote what a client sent.
constexpr size_t kMaxErrorBytes = 512;

template <typename Id>
void draw(std::mt19937_64& random, Id& id) {
  for (size_t at = 0; at < id.size(); at += sizeof(uint64_t)) {
    const uint64_t bits = random() | 1;  // ids of zeros are none
    std::memcpy(id.data() + at, &bits, sizeof(bits));
  }
}

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// What OTLP/HTTP says may be sent again.
bool may_be_tried_again(int status) {
  return status == 0 || status == 429 || status == 502 || status == 503 || status == 504;
}

bool is_url(const std::string& text) {
  return text.starts_with("http://") || text.starts_with("https://");
}

}  // namespace

std::vector<std::string> otlp_headers(const std::string& text) {
  std::vector<std::string> headers;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    const std::string_view part = std::string_view(text).substr(at, end - at);
    const size_t equals = std::min(part.find('='), part.size());
    std::string header;
    std::string value;
    const bool whole = equals > 0 && equals < part.size() &&
                       percent_decode(part.substr(0, equals), header) &&
                       percent_decode(part.substr(equals + 1), value);
    header += ": " + value;
    const bool control = std::any_of(header.begin(), header.end(),
                                     [](unsigned char c) { return c < ' ' || c == 0x7f; });
    if (!whole || control) {
      fail(ErrorCode::kInvalidArgument,
           "--otlp-headers: must be NAME=VALUE, several with commas; %XX stands for a byte");
    }
    headers.push_back(std::move(header));
    at = end + 1;
  }
  return headers;
}

TraceExporter::TraceExporter(const TraceOptions& options, std::unique_ptr<hub::Transport> transport)
    : options_(options), transport_(std::move(transport)), random_(std::random_device()()) {
  if (!is_url(options_.endpoint)) {
    fail(ErrorCode::kInvalidArgument, "--otlp-endpoint ", options_.endpoint,
         ": must begin with http:// or https://, as http://localhost:4318");
  }
  url_ = options_.endpoint;
  while (url_.ends_with('/')) url_.pop_back();
  url_ += "/v1/traces";
  headers_ = otlp_headers(options_.headers);
  headers_.emplace_back("Content-Type: application/json");
  thread_ = std::thread([this] { work(); });
}

TraceExporter::~TraceExporter() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    end_by_ = Clock::now() + kEndTime;
  }
  wake_.notify_all();
  thread_.join();
}

uint64_t TraceExporter::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

bool TraceExporter::begin(const std::string& traceparent, TraceSpan& span) {
  const std::optional<TraceParent> parent = parse_traceparent(traceparent);
  const std::lock_guard lock(mutex_);
  if (parent) {
    if (!parent->sampled) return false;
    span.trace = parent->trace;
    span.parent = parent->span;
  } else {
    const double at = static_cast<double>(random_() >> 11) * 0x1p-53;
    if (at >= options_.share) return false;
    draw(random_, span.trace);
  }
  draw(random_, span.id);
  for (TraceStage& stage : span.stages) draw(random_, stage.id);
  return true;
}

void TraceExporter::observe(const RequestReport& report) {
  const Reply& reply = *report.reply;
  TraceSpan span;
  span.stages = {{"tokenize", {}, reply.timings.tokenize_us},
                 {"queue", {}, reply.timings.queue_us},
                 {"run", {}, reply.timings.run_us}};
  if (!begin(report.request->traceparent, span)) return;
  span.end_ns = now_ns();
  span.start_ns = span.end_ns - report.total_ns;
  // Before it was admitted there are no stages.
  if (reply.error) span.stages.clear();
  span.model = reply.model.empty() ? report.request->model : reply.model;
  span.version = reply.version;
  span.name = cat("infer ", span.model);
  span.request = report.request->id;
  span.inputs = static_cast<int64_t>(report.request->inputs.size() + report.request->rows.size());
  span.tokens = reply.tokens;
  if (reply.error) span.error = std::string(reply.error->what()).substr(0, kMaxErrorBytes);
  const std::lock_guard lock(mutex_);
  if (queue_.size() >= kQueue) {
    ++dropped_;
    return;
  }
  queue_.push_back(std::move(span));
  if (queue_.size() == kBatch) wake_.notify_all();
}

void TraceExporter::work() noexcept {
  for (bool last = false; !last;) {
    std::vector<TraceSpan> spans;
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, kPatience, [this] { return ending_ || queue_.size() >= kBatch; });
      last = ending_;
      spans.swap(queue_);
    }
    if (!spans.empty()) send(spans);
  }
}

void TraceExporter::send(const std::vector<TraceSpan>& spans) noexcept {
  std::string failure;
  size_t lost = spans.size();
  try {
    failure = post_with_patience(spans);
    if (failure.empty()) lost = 0;
  } catch (...) {
    // There is no memory for the body.
  }
  if (!count_lost(lost)) return;
  try {
    log(LogLevel::kWarning,
        cat("traces are lost: ", url_, ": ", failure.empty() ? "out of memory" : failure));
  } catch (...) {
    // Nor for the line.
  }
}

std::string TraceExporter::post_with_patience(const std::vector<TraceSpan>& spans) {
  const std::string body = otlp_json(spans, options_.service);
  std::string failure;
  int64_t pause_ms = kFirstPauseMs;
  for (int tries = 1;; ++tries, pause_ms *= 2) {
    if (post(body, failure) || tries == kTries || !wait_ms(pause_ms)) return failure;
  }
}

bool TraceExporter::post(const std::string& body, std::string& failure) {
  hub::HttpRequest request;
  request.method = hub::HttpMethod::kPost;
  request.url = url_;
  request.headers = headers_;
  request.body = body;
  const auto until = Clock::now() + kPostTime;
  request.goes_on = [this, until] {
    const std::lock_guard lock(mutex_);
    return Clock::now() < (ending_ ? std::min(until, end_by_) : until);
  };
  size_t said = 0;
  const auto listen = [&](const hub::HttpAnswer&, std::string_view piece) {
    return (said += piece.size()) <= kMaxAnswerBytes;
  };
  const hub::HttpAnswer answer = transport_->send(request, listen);
  failure.clear();
  if (answer.status / 100 == 2) return true;
  failure = answer.status == 0 ? answer.failure : cat("status ", answer.status);
  return !may_be_tried_again(answer.status);
}

// False: the exporter ends.
bool TraceExporter::wait_ms(int64_t ms) {
  std::unique_lock lock(mutex_);
  return !wake_.wait_for(lock, std::chrono::milliseconds(ms), [this] { return ending_; });
}

// True: it is to be said, once until something is sent again.
bool TraceExporter::count_lost(size_t count) {
  const std::lock_guard lock(mutex_);
  dropped_ += count;
  const bool first = count > 0 && !said_;
  said_ = count > 0;
  return first;
}

}  // namespace tamis::serve
