// One connection: its bytes to requests, its answers in their order, and its end.
#include <poll.h>

#include <algorithm>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <deque>
#include <optional>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "base/percent.h"
#include "serve/batching/current_error.h"
#include "serve/http/http_body.h"
#include "serve/http/http_exchange.h"
#include "serve/http/http_hub.h"

namespace tamis::serve {

namespace net = boost::asio;
using boost::system::error_code;

namespace {

// Free space that a read has at least, beside the longest head.
constexpr size_t kReadBytes = 8192;
// Empty lines before a request, which some clients send behind a body.
constexpr int kMaxBlankLines = 8;
// Of the body of a client that has no key: enough for what is sent by mistake, whose connection
// goes on behind the answer.
constexpr size_t kStrangersBytes = 4096;
constexpr HttpRefusal kStranger = {401, "the API key is missing or wrong"};
// How long the end of a refused connection is read and thrown away.
constexpr int64_t kLingerNs = 2'000'000'000;
// A body that has been coming for so long gives way to one for which there is no room.
constexpr int64_t kSlowBodyNs = 1'000'000'000;
// A client that has ended its side is asked after so long whether it is still there.
constexpr int64_t kProbeNs = 250'000'000;

template <typename Stream>
class Connection final : public HttpConnection {
 public:
  Connection(HttpHub& hub, Stream stream, HttpPeer peer)
      : hub_(hub),
        stream_(std::move(stream)),
        peer_(std::move(peer)),
        id_(hub.next_connection++),
        capacity_(hub.options.max_header_bytes + kReadBytes),
        buffer_(std::make_unique_for_overwrite<char[]>(capacity_)) {
    if constexpr (kTls) standing_ = HttpStanding::kUnfinished;
  }

  void start() override {
    or_close([this] {
      if constexpr (kTls) {
        shake_hands();
      } else {
        begin();
      }
    });
  }

  void close() noexcept override {
    if (closed_) return;
    closed_ = true;
    for (const auto& exchange : pending_) exchange->cancel();
    pending_.clear();
    body_.reset();
    error_code ignored;
    stream_.lowest_layer().close(ignored);
    hub_.remove(*this);
  }

  void flush() noexcept override {
    or_close([this] { write_answers(); });
  }

  bool tick(int64_t now_ns) noexcept override {
    bool slow = false;
    or_close([&] { slow = look(now_ns); });
    return slow;
  }

  void close_if_silent() override {
    error_code error;
    if (standing_ == HttpStanding::kIdle && stream_.lowest_layer().available(error) == 0) close();
  }

  bool give_up_body(int64_t begun_by_ns) noexcept override {
    if (!body_ || body_->size() == 0 || begun_ns_ > begun_by_ns) return false;
    or_close([this] { refuse(kNoRoomForBody); });
    return true;
  }

 private:
  static constexpr bool kTls = !std::is_same_v<Stream, HttpSocket>;

  void shake_hands() {
    read_deadline_ns_ = now() + hub_.options.header_timeout_ns;
    stream_.async_handshake(net::ssl::stream_base::server,
                            [this, self = shared_from_this()](error_code error) {
                              if (closed_) return;
                              if (error) return close();
                              or_close([this] { begin(); });
                            });
  }

  void write_answers() {
    if (closed_ || writing_) return;
    out_.clear();
    bool last = false;
    while (!pending_.empty() && pending_.front()->response() != nullptr && !last) {
      const std::shared_ptr<PendingExchange> exchange = std::move(pending_.front());
      pending_.pop_front();
      const bool nothing_follows = pending_.empty() && unread() == 0 && !body_;
      last = !exchange->keep_alive || (nothing_follows && (hub_.draining || ended_ns_ != 0));
      append(*exchange, last);
    }
    if (out_.empty()) return;
    if (last) stopped_ = true;
    std::vector<net::const_buffer> buffers;
    buffers.reserve(out_.size());
    for (const std::string& part : out_) buffers.push_back(net::buffer(part));
    write(buffers, [this, last] { last ? end() : after_write(); });
  }

  // True: it was closed for being slow or silent.
  bool look(int64_t now_ns) {
    const auto abandoned = [](const auto& exchange) { return exchange->abandoned(); };
    if (std::any_of(pending_.begin(), pending_.end(), abandoned)) {
      close();
      return false;
    }
    const auto passed = [now_ns](int64_t deadline) { return deadline != 0 && now_ns >= deadline; };
    if (passed(write_deadline_ns_) || (passed(read_deadline_ns_) && !owes())) {
      close();
      return !lingering_;
    }
    if (passed(read_deadline_ns_)) {
      refuse({408, "the request did not arrive in time"});
      return true;
    }
    if (ended_ns_ != 0 && now_ns - ended_ns_ >= kProbeNs) probe();
    return false;
  }

  [[nodiscard]] int64_t now() const { return hub_.options.clock->now_ns(); }
  [[nodiscard]] size_t unread() const { return end_ - begin_; }
  [[nodiscard]] std::string_view unread_bytes() const { return {buffer_.get() + begin_, unread()}; }
  [[nodiscard]] bool owes() const { return !pending_.empty() || writing_; }
  [[nodiscard]] bool begun() const { return unread() > 0 || body_.has_value(); }

  void begin() {
    becomes_idle();
    read();
  }

  void becomes_idle() {
    read_deadline_ns_ = now() + hub_.options.idle_timeout_ns;
    stand(hub_, HttpStanding::kIdle);
  }

  // Follows what was read or written: the standing, and until when the client may take its time.
  void settle() {
    if (closed_ || lingering_) return;
    if (owes()) {
      stand(hub_, HttpStanding::kOwed);
    } else if (!begun()) {
      // Only a change restarts the time for being idle.
      if (standing_ != HttpStanding::kIdle) becomes_idle();
      return;
    } else {
      stand(hub_, HttpStanding::kUnfinished);
    }
    if (!begun() || stopped_ || pending_.size() >= hub_.options.max_pipelined) {
      read_deadline_ns_ = 0;
      return;
    }
    const HttpServerOptions& options = hub_.options;
    const int64_t timeout = body_ ? std::max(options.header_timeout_ns, options.request_timeout_ns)
                                  : options.header_timeout_ns;
    read_deadline_ns_ = begun_ns_ + timeout;
  }

  template <typename Done>
  void write(const std::vector<net::const_buffer>& buffers, Done done) {
    writing_ = true;
    write_deadline_ns_ = now() + hub_.options.write_timeout_ns;
    settle();
    net::async_write(stream_, buffers,
                     [this, self = shared_from_this(), done](error_code error, size_t) {
                       writing_ = false;
                       write_deadline_ns_ = 0;
                       if (closed_) return;
                       if (error) return close();
                       or_close(done);
                     });
  }

  // Where memory fails, this connection ends and not the server.
  template <typename Work>
  void or_close(const Work& work) noexcept {
    try {
      work();
    } catch (...) {
      close();
      log_current("a connection was closed: ");
    }
  }

  void append(PendingExchange& exchange, bool last) {
    HttpResponse& response = *exchange.response();
    ConnectionField field = ConnectionField::kNone;
    if (exchange.http_1_0) field = ConnectionField::kKeepAlive;
    if (last) field = ConnectionField::kClose;
    out_.push_back(response_head(response, field, hub_.date()));
    if (exchange.request().method == "HEAD" || response.body.empty()) return;
    if (response.body.size() <= kJoinBytes) {
      out_.back() += response.body;
    } else {
      out_.push_back(std::move(response.body));
      out_held_.push_back(exchange.take_held());
    }
  }

  void after_write() {
    out_.clear();
    out_held_.clear();
    flush();
    if (!writing_ && ended_ns_ != 0 && pending_.empty()) return close();
    if (!reading_ && !stopped_ && ended_ns_ == 0) {
      // Reading had stopped, and not for the client's sake.
      begun_ns_ = now();
      parse();
    }
    if (!writing_) say_continue();
    settle();
  }

  // The last answer is out. What is still on its way would make the system drop the answer: it is
  // read, and thrown away.
  void end() {
    if (!refused_ && !dropped_) return close();
    lingering_ = true;
    error_code ignored;
    stream_.lowest_layer().shutdown(HttpSocket::shutdown_send, ignored);
    read_deadline_ns_ = now() + kLingerNs;
    stand(hub_, HttpStanding::kIdle);
    if (ended_ns_ != 0) close();
  }

  void read() {
    if (closed_ || reading_ || ended_ns_ != 0) return;
    if (stopped_ || begin_ == end_) begin_ = end_ = 0;
    if (capacity_ - end_ < kReadBytes) {
      std::memmove(buffer_.get(), buffer_.get() + begin_, unread());
      end_ = unread();
      begin_ = 0;
    }
    reading_ = true;
    stream_.async_read_some(net::buffer(buffer_.get() + end_, capacity_ - end_),
                            [this, self = shared_from_this()](error_code error, size_t bytes) {
                              reading_ = false;
                              if (!closed_) or_close([&] { after_read(error, bytes); });
                            });
  }

  void after_read(error_code error, size_t bytes) {
    if (error) return client_ended(error);
    if (stopped_) {
      dropped_ = true;
      return read();
    }
    if (!begun()) begun_ns_ = now();
    end_ += bytes;
    parse();
    settle();
  }

  // A client that has ended its side still waits for its answers, or has gone: probe() tells.
  void client_ended(error_code error) {
    if (error != net::error::eof || !owes()) return close();
    ended_ns_ = now();
    begin_ = end_ = 0;
    body_.reset();
    settle();
  }

  // To who has gone any byte is answered with a reset.
  void probe() {
    pollfd hangup = {stream_.lowest_layer().native_handle(), 0, 0};
    if (poll(&hangup, 1, 0) > 0) return close();
    if (probed_ || writing_ || pending_.empty() || pending_.front()->http_1_0) return;
    probed_ = true;
    write_continue();
  }

  void write_continue() {
    static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    write({net::buffer(kContinue.data(), kContinue.size())}, [this] { after_write(); });
  }

  // A client that asks before it sends a body waits a second for the answer.
  void say_continue() {
    if (!body_ || continued_ || owes() || stopped_) return;
    continued_ = true;
    if (head_.expects_continue && body_->size() == 0) write_continue();
  }

  // Takes requests out of the buffer while there are whole ones.
  void parse() {
    while (!closed_ && !stopped_ && pending_.size() < hub_.options.max_pipelined) {
      if (!body_ && !read_head()) break;
      std::string_view bytes = unread_bytes();
      HttpRefusal refusal = body_->read(bytes);
      while (refusal.status == kNoRoomForBody.status &&
             hub_.make_room_for_body(std::min(now() - kSlowBodyNs, begun_ns_ - 1))) {
        refusal = body_->read(bytes);
      }
      begin_ = end_ - bytes.size();
      if (refusal) return refuse(refusal);
      if (stranger_ && body_->size() > kStrangersBytes) return refuse(kStranger);
      if (!body_->done()) {
        say_continue();
        break;
      }
      dispatch();
      begun_ns_ = now();
    }
    if (!closed_ && (stopped_ || pending_.size() < hub_.options.max_pipelined)) read();
  }

  // False: there is no whole head, or it was refused.
  bool read_head() {
    while (unread_bytes().starts_with("\r\n") && blank_lines_ < kMaxBlankLines) {
      begin_ += 2;
      ++blank_lines_;
    }
    const std::string_view bytes = unread_bytes();
    if (bytes.empty() || bytes == "\r") return false;
    head_ = HttpHead();
    if (!is_token(bytes.substr(0, 1))) {
      refuse({400, "malformed HTTP request line"});
      return false;
    }
    const size_t most = hub_.options.max_header_bytes;
    const size_t end = find_head_end(bytes, searched_);
    if (end > most || (end == 0 && bytes.size() >= most)) {
      refuse({431, "the request's head is longer than this server takes"});
      return false;
    }
    if (end == 0) return false;
    begin_ += end;
    searched_ = 0;
    blank_lines_ = 0;
    HttpRefusal refusal = parse_head(bytes.substr(0, end), head_);
    if (!refusal) {
      body_.emplace(head_, HttpBodyLimits{hub_.options.max_body_bytes, most}, hub_.budget);
      continued_ = false;
      refusal = body_->check_length();
      const bool long_body =
          head_.body == HttpBodyKind::kChunked || head_.content_length > kStrangersBytes;
      stranger_ = long_body && hub_.options.takes_body && !hub_.options.takes_body(head_);
      if (stranger_ && head_.content_length > kStrangersBytes) refusal = kStranger;
    }
    if (refusal) refuse(refusal);
    return !refusal;
  }

  void refuse(HttpRefusal refusal) {
    refused_ = true;
    stopped_ = true;
    body_.reset();
    begin_ = end_ = 0;
    const auto exchange = std::make_shared<PendingExchange>(hub_, weak_from_this());
    HttpRequest& request = exchange->request();
    fill(request);
    exchange->keep_alive = false;
    exchange->set_response(hub_.options.refuse(request, refusal));
    pending_.push_back(exchange);
    flush();
    settle();
    read();
  }

  // False: the path is no percent-encoding.
  bool fill(HttpRequest& request) {
    request.method = std::move(head_.method);
    request.query = std::move(head_.query);
    request.headers = std::move(head_.headers);
    request.remote = peer_.text;
    request.loopback = peer_.loopback;
    request.connection = id_;
    request.arrived_ns = now();
    return percent_decode(head_.path, request.path);
  }

  void dispatch() {
    const auto exchange = std::make_shared<PendingExchange>(hub_, weak_from_this());
    HttpRequest& request = exchange->request();
    const bool decoded = fill(request);
    request.body = body_->take(request.body_charge);
    body_.reset();
    exchange->http_1_0 = head_.http_1_0;
    exchange->keep_alive = head_.keep_alive;
    stopped_ = !head_.keep_alive;
    dropped_ = dropped_ || (stopped_ && unread() > 0);
    pending_.push_back(exchange);
    stand(hub_, HttpStanding::kOwed);
    if (!decoded) {
      exchange->respond(hub_.options.refuse(request, {400, "malformed percent-encoding"}));
      return;
    }
    try {
      hub_.handler(exchange);
    } catch (...) {
      const bool memory = current_error().code() == ErrorCode::kOutOfMemory;
      log_current(request.path);
      exchange->respond(hub_.options.refuse(request, memory ? HttpRefusal{503, "out of memory"}
                                                            : HttpRefusal{500, "internal error"}));
    }
  }

  HttpHub& hub_;
  Stream stream_;
  HttpPeer peer_;
  uint64_t id_;

  // Bytes [begin_, end_) of the buffer are read and not yet parsed.
  size_t capacity_;
  std::unique_ptr<char[]> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  size_t searched_ = 0;  // where the search for the head's end goes on
  int blank_lines_ = 0;
  HttpHead head_;
  std::optional<HttpBody> body_;  // while a request's head is read and its body is not

  std::deque<std::shared_ptr<PendingExchange>> pending_;  // in order of arrival
  std::deque<std::string> out_;
  std::vector<ByteCharge> out_held_;
  int64_t begun_ns_ = 0;           // when the first byte of the request under way came
  int64_t read_deadline_ns_ = 0;   // 0: it waits for us
  int64_t write_deadline_ns_ = 0;  // 0: nothing is being written
  int64_t ended_ns_ = 0;           // when the client ended its side; 0: it has not
  bool reading_ = false;
  bool writing_ = false;
  bool closed_ = false;
  bool stopped_ = false;    // no further request is read
  bool refused_ = false;    // the last answer is a refusal
  bool dropped_ = false;    // bytes behind the last request were thrown away
  bool lingering_ = false;  // everything is answered; the rest is thrown away
  bool stranger_ = false;   // whose body is not taken
  bool continued_ = false;  // 100 Continue was looked at
  bool probed_ = false;
};

}  // namespace

std::shared_ptr<HttpConnection> make_http_connection(HttpHub& hub, HttpSocket socket,
                                                     HttpPeer peer) {
  if (!hub.tls) {
    return std::make_shared<Connection<HttpSocket>>(hub, std::move(socket), std::move(peer));
  }
  using TlsStream = net::ssl::stream<HttpSocket>;
  return std::make_shared<Connection<TlsStream>>(hub, TlsStream(std::move(socket), *hub.tls),
                                                 std::move(peer));
}

}  // namespace tamis::serve
