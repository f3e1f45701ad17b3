#include "formats/npy.h"

#include "formats/test_util.h"

namespace tamis {
namespace {

Tensor parse(const std::string& bytes) { return parse_npy(as_bytes(bytes), "x.npy"); }

std::string npy(const std::string& dict, const std::string& data) {
  return "\x93NUMPY\x01" + std::string(1, '\0') +
         little_endian(static_cast<uint16_t>(dict.size())) + dict + data;
}

TEST(Npy, ReadsValuesBehindItsOwnHeader) {
  const TempFolder folder;
  const std::vector<float> values = {1, -2.5f, 3, 0.1f, 5, 6};
  for (const Shape& shape : {Shape({2, 3}), Shape({6}), Shape({0, 3}), Shape()}) {
    SCOPED_TRACE(shape.to_string());
    const auto path = folder.path() / "a.npy";
    const auto count = static_cast<size_t>(shape.elements());
    write_file(path, npy_header(shape) + std::string(reinterpret_cast<const char*>(values.data()),
                                                     count * sizeof(float)));
    const Tensor read = read_npy(path);
    EXPECT_EQ(read.shape(), shape);
    ASSERT_EQ(read.dtype(), DType::kF32);
    EXPECT_TRUE(std::equal(read.as<float>().begin(), read.as<float>().end(), values.begin()));
  }
}

TEST(Npy, HeaderIsNumPys) {
  // What numpy.save writes for zeros((2, 3), float32) and zeros(3, float32).
  const std::string header = npy_header({2, 3});
  EXPECT_EQ(header.size() % 64, 0u);
  EXPECT_EQ(header.substr(0, 10), std::string("\x93NUMPY\x01\x00\x76\x00", 10));
  EXPECT_EQ(header.substr(10, 59), "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
  EXPECT_EQ(header.back(), '\n');
  EXPECT_NE(npy_header({3}).find("'shape': (3,), }"), std::string::npos);
  EXPECT_NE(npy_header(Shape()).find("'shape': (), }"), std::string::npos);
}

TEST(Npy, ReadsOtherTypesAndVersions) {
  const Tensor longs = parse(
      npy("{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }", little_endian(int64_t{-3})));
  EXPECT_EQ(longs.as<int64_t>()[0], -3);
  const std::string dict = "{'descr':'|u1','fortran_order':False,'shape':(2,1)}\n";
  const Tensor bytes = parse("\x93NUMPY\x02" + std::string(1, '\0') +
                             little_endian(static_cast<uint32_t>(dict.size())) + dict + "ab");
  EXPECT_EQ(bytes.shape(), Shape({2, 1}));
  EXPECT_EQ(bytes.as<uint8_t>()[1], 'b');
}

TEST(Npy, NamesWhatIsWrong) {
  const auto expect = [](ErrorCode code, const std::string& bytes, std::string_view message) {
    SCOPED_TRACE(message);
    expect_error(code, message, [&] { (void)parse(bytes); });
  };
  const std::string four(4, '\0');
  expect(ErrorCode::kCorruptData, "", "x.npy: not a .npy file");
  expect(ErrorCode::kUnsupported, "\x93NUMPY\x09" + std::string(6, '\0'), "version 9");
  expect(ErrorCode::kCorruptData, "\x93NUMPY\x01" + std::string("\0\xff\xff{}", 5),
         "passes the end");
  expect(ErrorCode::kCorruptData, npy("{'descr': 3}", four), "wrong at \"3}\"");
  expect(ErrorCode::kCorruptData, npy("{'what': 'x'}", four), "wrong at");
  expect(ErrorCode::kCorruptData, npy("{'shape': (2", four), "wrong at");
  expect(ErrorCode::kUnsupported,
         npy("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", four),
         "array of \">f4\" with 1 dimensions; accepted are <f4");
  expect(ErrorCode::kUnsupported,
         npy("{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }", four), "Fortran order");
  expect(ErrorCode::kUnsupported,
         npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1), }", four),
         "5 dimensions");
  expect(ErrorCode::kCorruptData,
         npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", four),
         "shape [2] of <f4 does not fit the 4 bytes");
  expect(ErrorCode::kCorruptData,
         npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,4), }", ""),
         "does not fit");
  expect(ErrorCode::kCorruptData,
         npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", four), "does not fit");
}

}  // namespace
}  // namespace tamis
