#include "serve/grpc/grpc_received.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/message.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <algorithm>
#include <limits>
#include <string>

#include "base/error.h"
#include "serve/http/compression.h"

// What a ByteBuffer is a friend of, and the library leaves to others to define.
class grpc::internal::GrpcByteBufferPeer {
 public:
  static grpc_compression_algorithm compression(const ByteBuffer& bytes) {
    const grpc_byte_buffer* const own = const_cast<ByteBuffer&>(bytes).c_buffer();
    return own == nullptr ? GRPC_COMPRESS_NONE : own->data.raw.compression;
  }
};

namespace tamis::serve {

namespace {

using Peer = grpc::internal::GrpcByteBufferPeer;

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// Of messages and groups in each other, as protobuf reads them.
constexpr int kMaxDepth = 100;
// What a request has beside its lists: names, parameters.
constexpr int64_t kOtherParts = 1024;
// Lists of one request: texts, their pairs, labels.
constexpr int64_t kMaxLists = 8;

class PartCounter {
 public:
  PartCounter(CodedInputStream& input, int64_t most) : input_(input), left_(most) {}

  /// False: the bytes are no message, or have too many parts.
  [[nodiscard]] bool count(const Descriptor* type) { return count_fields(type, 0, 0); }
  [[nodiscard]] bool too_many() const { return left_ < 0; }

 private:
  // Up to the end of the message, or of the group with this number.
  bool count_fields(const Descriptor* type, int group, int depth) {
    if (depth > kMaxDepth) return false;
    for (;;) {
      const uint32_t tag = input_.ReadTag();
      const int number = WireFormatLite::GetTagFieldNumber(tag);
      if (tag == 0) return group == 0 && input_.ConsumedEntireMessage();
      if (number == 0) return false;
      const auto wire = WireFormatLite::GetTagWireType(tag);
      if (wire == WireFormatLite::WIRETYPE_END_GROUP) return number == group;
      const FieldDescriptor* const field = type == nullptr ? nullptr : known(*type, number, wire);
      if (!count_field(field, wire, number, depth)) return false;
    }
  }

  // Null: what comes of it is kept as a field that the message does not know.
  static const FieldDescriptor* known(const Descriptor& type, int number,
                                      WireFormatLite::WireType wire) {
    const FieldDescriptor* const field = type.FindFieldByNumber(number);
    if (field == nullptr) return nullptr;
    const auto own =
        WireFormatLite::WireTypeForFieldType(static_cast<WireFormatLite::FieldType>(field->type()));
    const bool packed = wire == WireFormatLite::WIRETYPE_LENGTH_DELIMITED && field->is_packable();
    return own == wire || packed ? field : nullptr;
  }

  bool count_field(const FieldDescriptor* field, WireFormatLite::WireType wire, int number,
                   int depth) {
    const bool scalar = field != nullptr && (field->is_packable() || !is_long(*field));
    if (!scalar && --left_ < 0) return false;
    uint64_t value = 0;
    switch (wire) {
      case WireFormatLite::WIRETYPE_VARINT:
        return input_.ReadVarint64(&value);
      case WireFormatLite::WIRETYPE_FIXED64:
        return input_.Skip(8);
      case WireFormatLite::WIRETYPE_FIXED32:
        return input_.Skip(4);
      case WireFormatLite::WIRETYPE_START_GROUP:
        return count_fields(nullptr, number, depth + 1);
      case WireFormatLite::WIRETYPE_LENGTH_DELIMITED:
        return count_long(field, depth);
      default:
        return false;
    }
  }

  static bool is_long(const FieldDescriptor& field) {
    return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE ||
           field.cpp_type() == FieldDescriptor::CPPTYPE_STRING;
  }

  bool count_long(const FieldDescriptor* field, int depth) {
    int length = 0;
    if (!input_.ReadVarintSizeAsInt(&length)) return false;
    if (field == nullptr || field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      return input_.Skip(length);
    }
    const CodedInputStream::Limit limit = input_.PushLimit(length);
    if (!count_fields(field->message_type(), 0, depth + 1)) return false;
    const bool whole = input_.BytesUntilLimit() == 0;
    input_.PopLimit(limit);
    return whole;
  }

  CodedInputStream& input_;
  int64_t left_;
};

void check_parts(grpc::ByteBuffer& bytes, int64_t max_items, const Descriptor& type) {
  grpc::ProtoBufferReader reader(&bytes);
  CodedInputStream input(&reader);
  input.SetTotalBytesLimit(std::numeric_limits<int>::max());
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max() / kMaxLists - kOtherParts;
  const int64_t most = kMaxLists * std::min(max_items, kMost) + kOtherParts;
  PartCounter counter(input, most);
  if (counter.count(&type)) return;
  if (counter.too_many()) {
    fail(ErrorCode::kInvalidArgument, "the message has more than ", most,
         " strings, messages and unknown fields, which is more than lists of ", max_items,
         " items (--max-items) come to");
  }
  fail(ErrorCode::kInvalidArgument, "the message is no ", std::string(type.full_name()));
}

void decompress(grpc::ByteBuffer& bytes, int64_t max_bytes) {
  const bool gzip = Peer::compression(bytes) == GRPC_COMPRESS_GZIP;
  grpc::Slice packed;
  if (!bytes.DumpToSingleSlice(&packed).ok()) {
    fail(ErrorCode::kOutOfMemory, "no memory for a message");
  }
  const grpc::Slice plain(decompress_body(
      gzip ? "gzip" : "deflate", {reinterpret_cast<const char*>(packed.begin()), packed.size()},
      static_cast<size_t>(max_bytes)));
  bytes = grpc::ByteBuffer(&plain, 1);
}

}  // namespace

MessageLimits message_limits(const ServerOptions& options) {
  return {options.max_items, options.max_body_bytes};
}

bool is_compressed(const grpc::ByteBuffer& bytes) {
  return Peer::compression(bytes) != GRPC_COMPRESS_NONE;
}

void read_message(grpc::ByteBuffer& bytes, const MessageLimits& limits,
                  google::protobuf::Message& message) {
  const Descriptor& type = *message.GetDescriptor();
  if (!bytes.Valid()) return;
  if (is_compressed(bytes)) decompress(bytes, limits.max_bytes);
  check_parts(bytes, limits.max_items, type);
  grpc::ProtoBufferReader reader(&bytes);
  if (message.ParseFromZeroCopyStream(&reader)) return;
  fail(ErrorCode::kInvalidArgument, "the message is no ", std::string(type.full_name()),
       ", or has text that is not UTF-8");
}

}  // namespace tamis::serve
