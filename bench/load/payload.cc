#include "load/payload.h"

#include "base/error.h"
#include "base/json.h"

namespace tamis::load {

namespace {

void put_texts(JsonWriter& json, const std::vector<std::string>& texts) {
  json.begin_array();
  for (const std::string& text : texts) json.value(text);
  json.end_array();
}

std::string http_request(const PayloadOptions& options, std::string_view method,
                         std::string_view path, std::string_view headers, std::string_view body) {
  std::string request = cat(method, " ", options.path.empty() ? path : options.path,
                            " HTTP/1.1\r\nHost: localhost\r\n");
  if (!options.api_key.empty()) request += cat("Authorization: Bearer ", options.api_key, "\r\n");
  request += headers;
  if (method == "POST") request += cat("Content-Length: ", body.size(), "\r\n");
  return cat(request, "\r\n", body);
}

constexpr std::string_view kJson = "Content-Type: application/json\r\n";

std::string tei(const std::vector<std::string>& texts, const PayloadOptions& options) {
  JsonWriter json;
  json.begin_object().key("inputs");
  put_texts(json, texts);
  if (!options.model.empty()) json.member("model", options.model);
  json.end_object();
  return http_request(options, "POST", "/embed", kJson, json.str());
}

std::string openai(const std::vector<std::string>& texts, const PayloadOptions& options) {
  JsonWriter json;
  json.begin_object().key("input");
  put_texts(json, texts);
  json.member("model", options.model).member("encoding_format", "base64").end_object();
  return http_request(options, "POST", "/v1/embeddings", kJson, json.str());
}

void put_parameters(JsonWriter& json, const PayloadOptions& options, bool binary) {
  json.key("parameters").begin_object();
  if (binary) json.member("binary_data_output", true);
  if (options.timeout_us > 0) json.member("timeout", options.timeout_us);
  if (options.priority > 0) json.member("priority", options.priority);
  json.end_object();
}

std::string kserve(const std::vector<std::string>& texts, const PayloadOptions& options,
                   bool binary) {
  const std::string raw = binary ? bytes_tensor(texts) : "";
  JsonWriter json;
  json.begin_object().key("inputs").begin_array().begin_object();
  json.member("name", "text").member("datatype", "BYTES");
  json.key("shape").begin_array().value(static_cast<int64_t>(texts.size())).end_array();
  if (binary) {
    json.key("parameters").begin_object();
    json.member("binary_data_size", static_cast<int64_t>(raw.size())).end_object();
  } else {
    json.key("data");
    put_texts(json, texts);
  }
  json.end_object().end_array();
  put_parameters(json, options, binary);
  json.end_object();
  const std::string headers =
      binary ? cat("Inference-Header-Content-Length: ", json.str().size(), "\r\n")
             : std::string(kJson);
  return http_request(options, "POST", cat("/v2/models/", options.model, "/infer"), headers,
                      json.str() + raw);
}

std::string payload(const std::vector<std::string>& texts, const PayloadOptions& options) {
  if (options.dialect == "tei") return tei(texts, options);
  if (options.dialect == "openai") return openai(texts, options);
  if (options.dialect == "kserve-json") return kserve(texts, options, false);
  if (options.dialect == "kserve-binary") return kserve(texts, options, true);
  if (options.dialect == "get") return http_request(options, "GET", "/", "", "");
#ifdef TAMIS_LOAD_GRPC
  if (options.dialect == "grpc") return grpc_payload(texts, options);
#endif
  fail(ErrorCode::kInvalidArgument, "--dialect ", options.dialect,
       ": must be tei, openai, kserve-json, kserve-binary, grpc or get");
}

}  // namespace

bool is_grpc(const PayloadOptions& options) { return options.dialect == "grpc"; }

std::string bytes_tensor(const std::vector<std::string>& texts) {
  std::string bytes;
  for (const std::string& text : texts) {
    const auto size = static_cast<uint32_t>(text.size());
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(size >> shift & 0xff);
    bytes += text;
  }
  return bytes;
}

std::vector<std::string> make_payloads(const std::vector<std::string>& texts,
                                       const PayloadOptions& options) {
  const auto batch = static_cast<size_t>(options.batch);
  std::vector<std::string> payloads;
  for (size_t begin = 0; begin + batch <= texts.size(); begin += batch) {
    const auto from = texts.begin() + static_cast<std::ptrdiff_t>(begin);
    payloads.push_back(payload({from, from + static_cast<std::ptrdiff_t>(batch)}, options));
  }
  return payloads;
}

}  // namespace tamis::load
