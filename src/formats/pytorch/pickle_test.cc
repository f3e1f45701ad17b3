#include "formats/pytorch/pickle.h"

#include "formats/test_util.h"

namespace tamis {
namespace {

using std::string_literals::operator""s;

constexpr std::string_view kAllowed[] = {"collections.OrderedDict", "torch.FloatStorage"};

// Prints a value as Python would, calls and persistent ids by name.
std::string print(const PickleValue& value, int depth = 0) {
  if (depth > 5) return "...";
  std::string items;
  for (const PickleValue* item : value.items) {
    items += cat(items.empty() ? "" : ",", print(*item, depth + 1));
  }
  switch (value.kind) {
    case PickleKind::kNone:
      return "None";
    case PickleKind::kBool:
      return value.integer != 0 ? "True" : "False";
    case PickleKind::kInt:
      return cat(value.integer);
    case PickleKind::kFloat:
      return cat(value.number);
    case PickleKind::kString:
      return cat('"', value.text, '"');
    case PickleKind::kTuple:
      return cat('(', items, ')');
    case PickleKind::kList:
      return cat('[', items, ']');
    case PickleKind::kDict:
      return cat('{', items, '}');
    case PickleKind::kGlobal:
      return std::string(value.text);
    case PickleKind::kCall:
      return cat("call(", items, ')');
    case PickleKind::kPersistent:
      return cat("persistent(", items, ')');
  }
  return "?";
}

std::string parse(const std::string& bytes) {
  return print(Pickle::parse(bytes, "x.bin", kAllowed, "tensors").root());
}

struct Case {
  std::string pickle;
  std::string_view expected;
};

TEST(Pickle, ReadsEveryOpcodeOfData) {
  const std::vector<Case> cases = {
      {"\x80\x02N."s, "None"},
      {"\x88."s, "True"},
      {"\x89."s, "False"},
      {"J\xfe\xff\xff\xff."s, "-2"},
      {"K\xff."s, "255"},
      {"M\x01\x02."s, "513"},
      {"\x8a\x02\x00\xff."s, "-256"},
      {"\x8a\x00."s, "0"},
      {"\x8b\x01\x00\x00\x00\x05."s, "5"},
      {"G\x3f\xf8\x00\x00\x00\x00\x00\x00."s, "1.5"},
      {"U\x02xy."s, "\"xy\""},
      {"T\x01\x00\x00\x00x."s, "\"x\""},
      {"X\x01\x00\x00\x00x."s, "\"x\""},
      {"\x8c\x01x."s, "\"x\""},
      {"\x8d\x01\x00\x00\x00\x00\x00\x00\x00x."s, "\"x\""},
      {"B\x01\x00\x00\x00x."s, "\"x\""},
      {"C\x01x."s, "\"x\""},
      {"\x8e\x01\x00\x00\x00\x00\x00\x00\x00x."s, "\"x\""},
      {"\x96\x01\x00\x00\x00\x00\x00\x00\x00x."s, "\"x\""},
      {")."s, "()"},
      {"K\x01\x85."s, "(1)"},
      {"K\x01K\x02\x86."s, "(1,2)"},
      {"K\x01K\x02K\x03\x87."s, "(1,2,3)"},
      {"(K\x01K\x02t."s, "(1,2)"},
      {"]K\x01"s + "a."s, "[1]"},
      {"](K\x01K\x02"s + "e."s, "[1,2]"},
      {"(K\x01l."s, "[1]"},
      {"\x8f(K\x01\x90."s, "[1]"},
      {"(K\x01\x91."s, "[1]"},
      {"}K\x01K\x02s."s, "{1,2}"},
      {"}(K\x01K\x02u."s, "{1,2}"},
      {"(K\x01K\x02"s + "d."s, "{1,2}"},
      {"K\x01K\x02\x30."s, "1"},
      {"K\x01(K\x02\x31."s, "1"},
      {"K\x01(0."s, "1"},
      {"K\x01\x32\x86."s, "(1,1)"},
      {"K\x01q\x07h\x07\x86."s, "(1,1)"},
      {"K\x01r\x00\x01\x00\x00j\x00\x01\x00\x00\x86."s, "(1,1)"},
      {"K\x01\x94K\x02\x94h\x00\x87."s.substr(0, 8) + "\x86."s, "(2,1)"},
      {"\x95\x00\x00\x00\x00\x00\x00\x00\x00N."s, "None"},
      {"ctorch\nFloatStorage\n."s, "torch.FloatStorage"},
      {"\x8c\x05torch\x8c\x0c"s + "FloatStorage\x93."s, "torch.FloatStorage"},
      {"ccollections\nOrderedDict\n)R."s, "call(collections.OrderedDict,())"},
      {"ccollections\nOrderedDict\n)\x81."s, "call(collections.OrderedDict,())"},
      {"ccollections\nOrderedDict\n)RK\x01K\x02s}"s + "b."s,
       "call(collections.OrderedDict,(),1,2)"},
      {"U\x07storageQ."s, "persistent(\"storage\")"},
      {"]\x94h\x00"s + "a."s, "[[[[[[...]]]]]]"},  // a list in itself
  };
  for (const Case& good : cases) {
    SCOPED_TRACE(testing::PrintToString(good.pickle));
    EXPECT_EQ(parse(good.pickle), good.expected);
  }
}

TEST(Pickle, RunsNothingAndNamesGlobals) {
  const std::vector<Case> cases = {
      {"\x80\x02"s + "cos\nsystem\nX\x02\x00\x00\x00ls\x85R."s,
       "x.bin: at byte 2: pickle names \"os.system\"; only tensors are accepted"},
      {"\x80\x04\x8c\x08"s + "builtins\x8c\x04"s + "eval\x93."s, "pickle names \"builtins.eval\""},
      {"ccollections\nOrderedDict.x\n."s, "\"collections.OrderedDict.x\""},
      {"ccollections.OrderedDict\n\n."s, "\"collections.OrderedDict.\""},
      {"ctorch\n"s + std::string(5000, 'A') + "\n."s, "pickle names \"torch.AAAA"},
  };
  for (const Case& bad : cases) {
    SCOPED_TRACE(bad.expected);
    expect_error(ErrorCode::kUnsupported, bad.expected, [&] { (void)parse(bad.pickle); });
  }
}

TEST(Pickle, NamesWhatIsMalformed) {
  const std::vector<Case> cases = {
      {""s, "x.bin: at byte 0: the pickle ends in the middle of a value"},
      {"N"s, "at byte 1: the pickle ends"},
      {"."s, "nothing on the pickle's stack"},
      {"(."s, "nothing on the pickle's stack"},
      {"\x80\x01N."s, "pickle protocol 1; accepted are 2 to 5"},
      {"\x80\x06N."s, "pickle protocol 6"},
      {"(S'x'\nios\nsystem\n."s, "opcode 83 is not one of"},
      {"\x82\x01."s, "opcode 130"},
      {"X\xff\xff\xff\xffx."s, "the pickle ends"},
      {"\x8d\xff\xff\xff\xff\xff\xff\xff\xff."s, "the pickle ends"},
      {"\x8a\x09\x01\x01\x01\x01\x01\x01\x01\x01\x01."s, "an integer of 9 bytes"},
      {"t."s, "no mark"},
      {"K\x01\x86."s, "nothing on the pickle's stack"},
      {"K\x01K\x02"s + "a."s, "items are added to something that takes none"},
      {"](K\x01K\x02u."s, "takes none"},
      {"}(K\x01u."s, "takes none"},
      {"(K\x01"s + "d."s, "takes none"},
      {"h\x00."s, "memo 0 is not set"},
      {"Nr\xff\xff\xff\x7f."s, "memo 2147483647; at most 1000000"},
      {"N)R."s, "a call of something that is not a global"},
      {"ccollections\nOrderedDict\nNR."s, "with a tuple"},
      {"NN\x93."s, "a global's name must be two strings"},
      {"ctorch\nFloatStorage"s, "in the middle of a line"},
      {std::string(1'000'001, 'N') + "."s, "more than 1000000 values"},
      {std::string((16u << 20) + 1, 'N'), "bytes; at most 16777216 are accepted"},
  };
  for (const Case& bad : cases) {
    SCOPED_TRACE(bad.expected);
    expect_error(ErrorCode::kCorruptData, bad.expected, [&] { (void)parse(bad.pickle); });
  }
}

}  // namespace
}  // namespace tamis
