#include "serve/trace/otlp_json.h"

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "base/version.h"

namespace tamis::serve {

namespace {

// Span.SpanKind and Status.StatusCode.
constexpr int kInternal = 1;
constexpr int kServer = 2;
constexpr int kOk = 1;
constexpr int kError = 2;

void attribute(std::string_view name, std::string_view value, JsonWriter& json) {
  json.begin_object().member("key", name).key("value").begin_object();
  json.member("stringValue", value).end_object().end_object();
}

// 64-bit integers are strings in protobuf's JSON.
void attribute(std::string_view name, int64_t value, JsonWriter& json) {
  json.begin_object().member("key", name).key("value").begin_object();
  json.member("intValue", cat(value)).end_object().end_object();
}

struct Times {
  int64_t start_ns;
  int64_t end_ns;
};

void begin_span(const TraceSpan& span, const SpanId& id, const SpanId& parent, Times times,
                JsonWriter& json) {
  json.begin_object().member("traceId", hexadecimal(span.trace.data(), span.trace.size()));
  json.member("spanId", hexadecimal(id.data(), id.size()));
  if (parent != SpanId{}) json.member("parentSpanId", hexadecimal(parent.data(), parent.size()));
  json.member("startTimeUnixNano", cat(times.start_ns));
  json.member("endTimeUnixNano", cat(times.end_ns));
}

void write_request(const TraceSpan& span, JsonWriter& json) {
  begin_span(span, span.id, span.parent, {span.start_ns, span.end_ns}, json);
  json.member("name", span.name).member("kind", kServer).key("attributes").begin_array();
  attribute("tamis.request.id", span.request, json);
  attribute("tamis.model.name", span.model, json);
  attribute("tamis.model.version", span.version, json);
  attribute("tamis.request.inputs", span.inputs, json);
  attribute("tamis.request.tokens", span.tokens, json);
  json.end_array().key("status").begin_object();
  json.member("code", span.error.empty() ? kOk : kError);
  if (!span.error.empty()) json.member("message", span.error);
  json.end_object().end_object();
}

void write_stages(const TraceSpan& span, JsonWriter& json) {
  int64_t at_ns = span.start_ns;
  for (const TraceStage& stage : span.stages) {
    const int64_t end_ns = std::min(span.end_ns, at_ns + stage.us * 1000);
    begin_span(span, stage.id, span.id, {at_ns, end_ns}, json);
    json.member("name", stage.name).member("kind", kInternal).end_object();
    at_ns = end_ns;
  }
}

}  // namespace

std::string otlp_json(std::span<const TraceSpan> spans, const std::string& service) {
  JsonWriter json;
  json.begin_object().key("resourceSpans").begin_array().begin_object();
  json.key("resource").begin_object().key("attributes").begin_array();
  attribute("service.name", service, json);
  attribute("service.version", version(), json);
  json.end_array().end_object();
  json.key("scopeSpans").begin_array().begin_object();
  json.key("scope").begin_object().member("name", "tamis").member("version", version());
  json.end_object().key("spans").begin_array();
  for (const TraceSpan& span : spans) {
    write_request(span, json);
    write_stages(span, json);
  }
  json.end_array().end_object().end_array().end_object().end_array().end_object();
  return json.take();
}

}  // namespace tamis::serve
