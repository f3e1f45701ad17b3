#include "serve/http/http_hub.h"

#include <chrono>

#include "base/log.h"
#include "serve/batching/current_error.h"

namespace tamis::serve {

namespace {

// Heads that are not whole can stand before bodies, and do not for long.
constexpr int kMostLooked = 256;

}  // namespace

void log_current(std::string_view what) noexcept {
  try {
    log(LogLevel::kError, cat(what, current_error().what()));
  } catch (...) {
    // There is no memory even for the line.
  }
}

void HttpConnection::stand(HttpHub& hub, HttpStanding standing) {
  if (standing == standing_) return;
  HttpConnection::List& to = hub.lists[static_cast<size_t>(standing)];
  to.splice(to.end(), hub.lists[static_cast<size_t>(standing_)], place_);
  standing_ = standing;
}

void HttpHub::add(std::shared_ptr<HttpConnection> connection) {
  HttpConnection& added = *connection;
  HttpConnection::List& list = lists[static_cast<size_t>(added.standing_)];
  added.place_ = list.insert(list.end(), std::move(connection));
  open.fetch_add(1);
  accepted.fetch_add(1);
}

void HttpHub::remove(HttpConnection& connection) {
  lists[static_cast<size_t>(connection.standing_)].erase(connection.place_);
  open.fetch_sub(1);
}

size_t HttpHub::connections() const { return static_cast<size_t>(open.load()); }

bool HttpHub::make_room() {
  for (const HttpStanding standing : {HttpStanding::kIdle, HttpStanding::kUnfinished}) {
    const HttpConnection::List& list = lists[static_cast<size_t>(standing)];
    if (list.empty()) continue;
    // A copy: closing takes it out of the list.
    std::shared_ptr<HttpConnection>(list.front())->close();
    return true;
  }
  return false;
}

bool HttpHub::make_room_for_body(int64_t begun_by_ns) {
  for (const HttpStanding standing : {HttpStanding::kUnfinished, HttpStanding::kOwed}) {
    const HttpConnection::List& list = lists[static_cast<size_t>(standing)];
    auto at = list.begin();
    for (int looked = 0; looked < kMostLooked && at != list.end(); ++looked) {
      // A copy: who gives up may leave the list.
      const std::shared_ptr<HttpConnection> connection = *at++;
      if (connection->give_up_body(begun_by_ns)) return true;
    }
  }
  return false;
}

const std::string& HttpHub::date() {
  const int64_t now = std::chrono::duration_cast<std::chrono::seconds>(
                          std::chrono::system_clock::now().time_since_epoch())
                          .count();
  if (now != date_second_) date_ = http_date(now);
  date_second_ = now;
  return date_;
}

}  // namespace tamis::serve
