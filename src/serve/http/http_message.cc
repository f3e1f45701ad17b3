#include "serve/http/http_message.h"

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "base/error.h"

namespace tamis::serve {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view find_header(const HttpHeaders& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (equal_ignoring_case(key, name)) return value;
  }
  return {};
}

bool HttpRequest::has_header(std::string_view name) const {
  return std::any_of(headers.begin(), headers.end(),
                     [&](const auto& item) { return equal_ignoring_case(item.first, name); });
}

std::string_view http_reason(int status) {
  struct Reason {
    int status;
    std::string_view reason;
  };
  static constexpr Reason kReasons[] = {
      {200, "OK"},
      {204, "No Content"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {408, "Request Timeout"},
      {413, "Payload Too Large"},
      {415, "Unsupported Media Type"},
      {422, "Unprocessable Entity"},
      {424, "Failed Dependency"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {499, "Client Closed Request"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
      {505, "HTTP Version Not Supported"},
  };
  for (const Reason& row : kReasons) {
    if (row.status == status) return row.reason;
  }
  return "Unknown";
}

std::string http_date(int64_t unix_seconds) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const time_t time = unix_seconds;
  std::tm parts = {};
  gmtime_r(&time, &parts);
  char text[64];
  // strftime would take the names from the locale.
  const int size = std::snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                                 kDays[parts.tm_wday], parts.tm_mday, kMonths[parts.tm_mon],
                                 parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
  return {text, static_cast<size_t>(size)};
}

std::string response_head(const HttpResponse& response, ConnectionField connection,
                          std::string_view date) {
  std::string head = cat("HTTP/1.1 ", response.status, " ", http_reason(response.status),
                         "\r\nDate: ", date, "\r\n");
  if (!response.content_type.empty() && response.status != 204) {
    head += cat("Content-Type: ", response.content_type, "\r\n");
  }
  if (response.status != 204) head += cat("Content-Length: ", response.body.size(), "\r\n");
  for (const auto& [name, value] : response.headers) head += cat(name, ": ", value, "\r\n");
  switch (connection) {
    case ConnectionField::kNone:
      break;
    case ConnectionField::kKeepAlive:
      head += "Connection: keep-alive\r\n";
      break;
    case ConnectionField::kClose:
      head += "Connection: close\r\n";
      break;
  }
  head += "\r\n";
  return head;
}

}  // namespace tamis::serve
