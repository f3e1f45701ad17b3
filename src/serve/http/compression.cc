#include "serve/http/compression.h"

#include <zlib.h>

#include <algorithm>

#include "base/error.h"
#include "serve/batching/status_error.h"
#include "serve/http/http_message.h"

namespace tamis::serve {

namespace {

// zlib's window size with the flag for a gzip header.
constexpr int kGzipBits = 15 + 16;
constexpr int kZlibBits = 15;

int bits_of(std::string_view encoding) {
  if (equal_ignoring_case(encoding, "gzip") || equal_ignoring_case(encoding, "x-gzip")) {
    return kGzipBits;
  }
  if (equal_ignoring_case(encoding, "deflate")) return kZlibBits;
  throw StatusError(
      415, ErrorCode::kInvalidArgument,
      cat("Content-Encoding \"", encoding, "\": gzip, deflate and identity are taken"));
}

Bytef* bytes_of(std::string_view text) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
}

// Frees the stream's memory on every way out.
struct Inflater {
  z_stream stream = {};
  ~Inflater() { inflateEnd(&stream); }
};

struct Deflater {
  z_stream stream = {};
  ~Deflater() { deflateEnd(&stream); }
};

// "; q=0", "; q=0.0": any quality but none is as good as another here.
bool is_refused(std::string_view parameters) {
  const size_t quality = parameters.find("q=");
  return quality != parameters.npos &&
         parameters.substr(quality + 2).find_first_not_of("0. \t") == parameters.npos;
}

// Makes room for `bytes`, charged before they are taken.
void grow(std::string& out, size_t bytes, ByteBudget* budget, ByteCharge& charge) {
  if (bytes <= out.capacity()) return;
  const size_t wanted = std::max(bytes, 2 * out.capacity());
  if (budget != nullptr) {
    ByteCharge larger = budget->charge(wanted);
    if (larger.bytes() == 0) {
      throw StatusError(503, ErrorCode::kUnavailable,
                        "the server holds as many bytes of requests as it may");
    }
    out.reserve(wanted);
    charge = std::move(larger);
    return;
  }
  out.reserve(wanted);
}

}  // namespace

std::string decompress_body(std::string_view encoding, std::string_view body, size_t max_bytes,
                            ByteCharge* charge) {
  const int bits = bits_of(encoding);
  Inflater inflater;
  if (inflateInit2(&inflater.stream, bits) != Z_OK) fail(ErrorCode::kOutOfMemory, "out of memory");
  inflater.stream.next_in = bytes_of(body);
  inflater.stream.avail_in = static_cast<uInt>(body.size());
  std::string out;
  ByteCharge inflated;
  char buffer[16384];
  int status = Z_OK;
  // Files of gzip may lie behind each other, and are one then.
  while (status != Z_STREAM_END || inflater.stream.avail_in > 0) {
    const bool next = status == Z_STREAM_END;
    if (next && (bits != kGzipBits || inflateReset(&inflater.stream) != Z_OK)) {
      fail(ErrorCode::kCorruptData, "the body goes on behind the end of its ", encoding);
    }
    inflater.stream.next_out = reinterpret_cast<Bytef*>(buffer);
    inflater.stream.avail_out = sizeof(buffer);
    status = inflate(&inflater.stream, Z_NO_FLUSH);
    if (status != Z_OK && status != Z_STREAM_END) {
      fail(ErrorCode::kCorruptData, "the body is no ", encoding);
    }
    const size_t got = sizeof(buffer) - inflater.stream.avail_out;
    if (got > max_bytes - out.size()) {
      throw StatusError(
          413, ErrorCode::kInvalidArgument,
          cat("the body is larger than --max-body ", max_bytes, " when decompressed"));
    }
    grow(out, out.size() + got, charge == nullptr ? nullptr : charge->budget(), inflated);
    out.append(buffer, got);
  }
  if (charge != nullptr) *charge = std::move(inflated);
  return out;
}

std::string_view accepted_encoding(std::string_view accept) {
  std::string_view best;
  while (!accept.empty()) {
    const size_t comma = std::min(accept.find(','), accept.size());
    std::string_view item = accept.substr(0, comma);
    accept.remove_prefix(std::min(comma + 1, accept.size()));
    const size_t semicolon = item.find(';');
    const bool refused = semicolon != item.npos && is_refused(item.substr(semicolon));
    item = item.substr(0, semicolon);
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
    if (refused) continue;
    if (equal_ignoring_case(item, "gzip")) return "gzip";
    if (equal_ignoring_case(item, "deflate")) best = "deflate";
  }
  return best;
}

std::string compress_body(std::string_view encoding, std::string_view body) {
  Deflater deflater;
  z_stream& stream = deflater.stream;
  // Level 1: numbers hardly shrink further, and a server has better to do.
  const int ready = deflateInit2(&stream, 1, Z_DEFLATED, bits_of(encoding), 8, Z_DEFAULT_STRATEGY);
  if (ready != Z_OK) fail(ErrorCode::kOutOfMemory, "out of memory");
  std::string out(deflateBound(&stream, static_cast<uLong>(body.size())), '\0');
  stream.next_in = bytes_of(body);
  stream.avail_in = static_cast<uInt>(body.size());
  stream.next_out = bytes_of(out);
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  return out;
}

}  // namespace tamis::serve
