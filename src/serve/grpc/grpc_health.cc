// grpc.health.v1.Health: health checks as Kubernetes' gRPC probes and load balancers send them.
// Answered without an API key.
#include <condition_variable>
#include <thread>

#include "health.grpc.pb.h"
#include "serve/grpc/grpc_services.h"

namespace tamis::serve {

namespace {

namespace health = grpc::health::v1;

using Response = health::HealthCheckResponse;

// Between two looks of those who watch: a batch that has stalled says nothing by itself.
constexpr std::chrono::milliseconds kLook{100};

// A service is one of this port's, or a model's name; all are ready together.
Response::ServingStatus status_of(Core& core, const std::string& service) {
  const bool model = !service.empty() && !is_service(service);
  if (model && core.models().find(service) == nullptr) {
    return core.models().away(service).empty() ? Response::SERVICE_UNKNOWN : Response::NOT_SERVING;
  }
  return core.why_not_ready().empty() ? Response::SERVING : Response::NOT_SERVING;
}

// One who watches: told the status at once, then whenever it changes. Thread-safe.
class HealthWatch final : public grpc::ServerWriteReactor<Response>, public GrpcOpenStream {
 public:
  HealthWatch(Core& core, std::string service) : core_(core), service_(std::move(service)) {}

  /// Says its first word, and keeps itself alive until gRPC is done with it.
  static void start(const std::shared_ptr<HealthWatch>& watch) {
    watch->self_ = watch;
    watch->started_.store(true);
    watch->look();
  }

  // Says what there is to say, where there is memory for it; else at the next look. gRPC is called
  // without the lock: it may call back.
  void look() noexcept {
    try {
      say();
    } catch (...) {
    }
  }
  void end_when_answered() override {
    set(ending_);
    look();
  }
  void OnWriteDone(bool ok) override {
    {
      const std::lock_guard lock(mutex_);
      writing_ = false;
      gone_ = gone_ || !ok;
    }
    look();
  }
  void OnCancel() override {
    set(gone_);
    look();
  }
  void OnDone() override { self_.reset(); }

 private:
  void say() {
    grpc::Status end;
    {
      const std::lock_guard lock(mutex_);
      if (ended_ || writing_ || !started_.load()) return;
      const auto status = ending_ ? Response::NOT_SERVING : status_of(core_, service_);
      if (!gone_ && status != told_) {
        told_ = status;
        response_.set_status(status);
        writing_ = true;
      } else if (gone_ || ending_) {
        end = gone_ ? grpc::Status::CANCELLED
                    : grpc::Status(grpc::StatusCode::UNAVAILABLE, "the server is shutting down");
        ended_ = true;
      } else {
        return;
      }
    }
    end.ok() ? StartWrite(&response_) : Finish(std::move(end));
  }

  void set(bool& mark) {
    const std::lock_guard lock(mutex_);
    mark = true;
  }

  Core& core_;
  std::string service_;
  std::shared_ptr<HealthWatch> self_;
  Response response_;
  std::mutex mutex_;
  Response::ServingStatus told_ = Response::UNKNOWN;
  std::atomic<bool> started_{false};  // gRPC knows it, or will
  bool writing_ = false;
  bool gone_ = false;    // the client
  bool ending_ = false;  // the server
  bool ended_ = false;
};

// Makes the watches look, while there are any. Thread-safe.
class Watchers {
 public:
  ~Watchers() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  void add(const std::shared_ptr<HealthWatch>& watch) {
    {
      const std::lock_guard lock(mutex_);
      watches_.push_back(watch);
      if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
    }
    changed_.notify_all();
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (!stop_) {
      std::erase_if(watches_, [](const auto& watch) { return watch.expired(); });
      if (watches_.empty()) {
        changed_.wait(lock);
        continue;
      }
      // Out of memory: the next look tells.
      try {
        const std::vector<std::weak_ptr<HealthWatch>> watches = watches_;
        lock.unlock();
        for (const auto& item : watches) {
          if (const auto watch = item.lock()) watch->look();
        }
      } catch (...) {
      }
      if (!lock.owns_lock()) lock.lock();
      changed_.wait_for(lock, kLook, [this] { return stop_; });
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::weak_ptr<HealthWatch>> watches_;
  bool stop_ = false;
  std::thread thread_;
};

class HealthService final : public GrpcService {
 public:
  using Request = health::HealthCheckRequest;

  explicit HealthService(const GrpcHost& host) : GrpcService(host) {
    add_unary<Request, Response>("/grpc.health.v1.Health/Check",
                                 [this](grpc::CallbackServerContext& context, Received<Request>& in,
                                        Response& out) { return check(context, in, out); });
    add_writer<Request, Response>("/grpc.health.v1.Health/Watch",
                                  [this](Received<Request>& in) { return watch(in); });
  }

 private:
  grpc::ServerUnaryReactor* check(grpc::CallbackServerContext& context, Received<Request>& in,
                                  Response& response) {
    grpc::ServerUnaryReactor* const reactor = context.DefaultReactor();
    grpc::Status end;
    try {
      const Request& request = in.read(message_limits(host().options));
      const auto status = status_of(host().core, request.service());
      response.set_status(status);
      if (status == Response::SERVICE_UNKNOWN) {
        end = {grpc::StatusCode::NOT_FOUND, cat("unknown service \"", request.service(), "\"")};
      }
    } catch (...) {
      end = grpc_status(GrpcDialect::kKserve, current_error());
    }
    reactor->Finish(std::move(end));
    return reactor;
  }

  grpc::ServerWriteReactor<Response>* watch(Received<Request>& in) {
    std::shared_ptr<HealthWatch> watch;
    try {
      const Request& request = in.read(message_limits(host().options));
      watch = std::make_shared<HealthWatch>(host().core, request.service());
      watchers_.add(watch);
      host().streams.add(watch);
    } catch (...) {
      return refused_call<grpc::ServerWriteReactor<Response>>(
          grpc_status(GrpcDialect::kKserve, current_error()));
    }
    HealthWatch::start(watch);
    return watch.get();
  }

  Watchers watchers_;
};

}  // namespace

void add_health_service(const GrpcHost& host, GrpcServices& services) {
  services.push_back(std::make_unique<HealthService>(host));
}

}  // namespace tamis::serve
