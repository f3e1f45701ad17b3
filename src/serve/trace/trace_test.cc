#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "serve/trace/trace_exporter.h"

namespace tamis::serve {
namespace {

constexpr const char* kSampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
constexpr const char* kUnsampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

TEST(TraceContext, ReadsWhatTheStandardHas) {
  const auto parent = parse_traceparent(kSampled);
  ASSERT_TRUE(parent);
  EXPECT_EQ(hexadecimal(parent->trace.data(), 16), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(hexadecimal(parent->span.data(), 8), "b7ad6b7169203331");
  EXPECT_TRUE(parent->sampled);
  EXPECT_FALSE(parse_traceparent(kUnsampled)->sampled);
  // Of a later version: what it adds is passed over.
  EXPECT_TRUE(parse_traceparent("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more"));
  const char* const none[] = {
      "",
      "00",
      "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
      "00-00000000000000000000000000000000-b7ad6b7169203331-01",
      "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
      "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
      "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01more",
      "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
      "00-0af7651916cd43dd8448eb211c80319g-b7ad6b7169203331-01",
  };
  for (const char* const text : none) EXPECT_FALSE(parse_traceparent(text)) << text;
}

TEST(OtlpHeaders, AreSplitAndChecked) {
  EXPECT_TRUE(otlp_headers("").empty());
  EXPECT_EQ(otlp_headers("api-key=a=b,x=").at(0), "api-key: a=b");
  EXPECT_EQ(otlp_headers("api-key=a=b,x=").at(1), "x: ");
  EXPECT_EQ(otlp_headers("Authorization=Basic%20YWJj%3D").at(0), "Authorization: Basic YWJj=");
  for (const char* const text : {"a", "=b", "a=b,,c=d", "a=b\r\nc: d", "a=%0d%0ac: d", "a=%g0"}) {
    EXPECT_THROW((void)otlp_headers(text), Error) << text;
  }
}

// A collector: keeps what comes, answers what it is told to.
class Collector final : public hub::Transport {
 public:
  struct Got {
    std::mutex mutex;
    std::vector<hub::HttpRequest> requests;
    std::vector<int> statuses;  ///< of the first answers; then 200
  };
  explicit Collector(std::shared_ptr<Got> got) : got_(std::move(got)) {}

  hub::HttpAnswer send(const hub::HttpRequest& request, const hub::BodySink&) override {
    const std::lock_guard lock(got_->mutex);
    const size_t at = got_->requests.size();
    got_->requests.push_back(request);
    hub::HttpAnswer answer;
    answer.status = at < got_->statuses.size() ? got_->statuses[at] : 200;
    if (answer.status == 0) answer.failure = "refused";
    return answer;
  }

 private:
  std::shared_ptr<Got> got_;
};

class TraceExporterTest : public ::testing::Test {
 protected:
  std::unique_ptr<TraceExporter> start() {
    return std::make_unique<TraceExporter>(options_, std::make_unique<Collector>(got_));
  }

  static void observe(TraceExporter& exporter, const std::string& traceparent,
                      const char* error = nullptr) {
    Request request;
    request.model = "m";
    request.id = "r-1";
    request.traceparent = traceparent;
    request.inputs.resize(2);
    Reply reply;
    reply.model = "m";
    reply.version = "3";
    reply.tokens = 7;
    reply.timings = {100, 200, 300};
    if (error != nullptr) reply.error = Error(ErrorCode::kOverloaded, error);
    exporter.observe({&request, &reply, 1'000'000});
  }

  // The spans of all requests that came.
  std::vector<std::string> spans() {
    std::vector<std::string> all;
    for (const hub::HttpRequest& request : got_->requests) {
      const JsonDocument body = JsonDocument::parse(request.body, "test");
      const JsonView list =
          body.root().get("resourceSpans").at(0).get("scopeSpans").at(0).get("spans");
      for (size_t i = 0; i < list.size(); ++i) {
        all.emplace_back(list.at(i).get("name").as_string("name"));
      }
    }
    return all;
  }

  TraceOptions options_{"http://collector:4318/", "search", "key=k", 1};
  std::shared_ptr<Collector::Got> got_ = std::make_shared<Collector::Got>();
};

TEST_F(TraceExporterTest, SendsARequestAndItsStages) {
  { observe(*start(), kSampled); }
  ASSERT_EQ(got_->requests.size(), 1U);
  const hub::HttpRequest& request = got_->requests[0];
  EXPECT_EQ(request.method, hub::HttpMethod::kPost);
  EXPECT_EQ(request.url, "http://collector:4318/v1/traces");
  EXPECT_EQ(request.headers,
            (std::vector<std::string>{"key: k", "Content-Type: application/json"}));
  EXPECT_EQ(spans(), (std::vector<std::string>{"infer m", "tokenize", "queue", "run"}));

  const JsonDocument body = JsonDocument::parse(request.body, "test");
  const JsonView resource = body.root().get("resourceSpans").at(0);
  EXPECT_EQ(resource.get("resource")
                .get("attributes")
                .at(0)
                .get("value")
                .get("stringValue")
                .as_string("service"),
            "search");
  const JsonView list = resource.get("scopeSpans").at(0).get("spans");
  const JsonView infer = list.at(0);
  EXPECT_EQ(infer.get("traceId").as_string("trace"), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(infer.get("parentSpanId").as_string("parent"), "b7ad6b7169203331");
  EXPECT_EQ(infer.get("kind").as_int("kind"), 2);
  EXPECT_EQ(infer.get("status").get("code").as_int("code"), 1);
  const auto time = [](JsonView span, const char* name) {
    return std::stoll(std::string(span.get(name).as_string(name)));
  };
  EXPECT_EQ(time(infer, "endTimeUnixNano") - time(infer, "startTimeUnixNano"), 1'000'000);
  int64_t at = time(infer, "startTimeUnixNano");
  std::set<std::string_view> ids = {infer.get("spanId").as_string("id")};
  const int64_t stages_ns[] = {100'000, 200'000, 300'000};
  for (size_t i = 0; i < 3; ++i) {
    const JsonView stage = list.at(i + 1);
    EXPECT_EQ(stage.get("parentSpanId").as_string("parent"), infer.get("spanId").as_string("id"));
    EXPECT_EQ(time(stage, "startTimeUnixNano"), at);
    at += stages_ns[i];
    EXPECT_EQ(time(stage, "endTimeUnixNano"), at);
    ids.insert(stage.get("spanId").as_string("id"));
  }
  EXPECT_EQ(ids.size(), 4U);
  EXPECT_NE(request.body.find(R"({"key":"tamis.request.tokens","value":{"intValue":"7"}})"),
            std::string::npos);
}

TEST_F(TraceExporterTest, TheCallersDecisionCounts) {
  options_.share = 1;
  { observe(*start(), kUnsampled); }
  EXPECT_TRUE(got_->requests.empty());
  options_.share = 0;
  {
    const auto exporter = start();
    observe(*exporter, kSampled);
    observe(*exporter, "");
    observe(*exporter, "nonsense");
  }
  EXPECT_EQ(spans().size(), 4U);
}

TEST_F(TraceExporterTest, AShareOfTheOthersIsKept) {
  options_.share = 0.25;
  {
    const auto exporter = start();
    for (int i = 0; i < 2000; ++i) observe(*exporter, "");
  }
  const std::vector<std::string> all = spans();
  const size_t requests = all.size() / 4;
  // 500 are expected; eight deviations of 19.4 on either side.
  EXPECT_GT(requests, 345U);
  EXPECT_LT(requests, 655U);
}

TEST_F(TraceExporterTest, AnErrorIsSaid) {
  { observe(*start(), kSampled, "the queue is full"); }
  EXPECT_EQ(spans(), std::vector<std::string>{"infer m"});
  EXPECT_NE(got_->requests[0].body.find(R"("status":{"code":2,"message":"the queue is full"})"),
            std::string::npos);
}

TEST_F(TraceExporterTest, ACollectorThatWasAwayIsAskedAgain) {
  got_->statuses = {503};
  const auto exporter = start();
  observe(*exporter, kSampled);
  for (int i = 0; i < 1000; ++i) {
    {
      const std::lock_guard lock(got_->mutex);
      if (got_->requests.size() == 2) break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  const std::lock_guard lock(got_->mutex);
  ASSERT_EQ(got_->requests.size(), 2U);
  EXPECT_EQ(got_->requests[0].body, got_->requests[1].body);
}

TEST_F(TraceExporterTest, WhatIsRefusedIsCounted) {
  got_->statuses = {400};
  const auto exporter = start();
  observe(*exporter, kSampled);
  for (int i = 0; i < 1000 && exporter->dropped() == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(exporter->dropped(), 1U);
  EXPECT_EQ(got_->requests.size(), 1U);
}

TEST_F(TraceExporterTest, AnEndpointMustBeAnUrl) {
  options_.endpoint = "collector:4318";
  EXPECT_THROW(start(), Error);
}

}  // namespace
}  // namespace tamis::serve
