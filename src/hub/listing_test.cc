#include "hub/listing.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "hub/tree.h"

namespace tamis::hub {
namespace {

const std::string kCommit(40, 'c');

std::string listing_of(const std::string& files) {
  return R"({"id":"a/b","sha":")" + kCommit + R"(","siblings":[)" + files + R"(],"private":false})";
}

std::string refusal(const std::string& text) {
  try {
    (void)parse_listing(text, "http://h/api");
    return "taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
    return error.what();
  }
}

TEST(ParseListing, ReadsCommitAndFiles) {
  const Listing listing =
      parse_listing(listing_of(R"({"rfilename":"a.json"},{"rfilename":"1_P/c","size":3})"), "x");
  EXPECT_EQ(listing.commit, kCommit);
  EXPECT_EQ(listing.files, (std::set<std::string>{"1_P/c", "a.json"}));
}

TEST(ParseListing, RefusesWhatIsNotOne) {
  const std::pair<std::string, const char*> rows[] = {
      {"<html>", "http://h/api"},
      {"[]", "sha"},
      {R"({"sha":"main","siblings":[]})", "not a commit"},
      {R"({"sha":")" + kCommit + R"("})", "siblings must be a list"},
      {listing_of("{}"), "siblings[0].rfilename"},
      {listing_of(R"({"rfilename":"../x"})"), "is refused"},
      {listing_of(R"({"rfilename":"/etc/x"})"), "is refused"},
      {listing_of(R"({"rfilename":"a\\b"})"), "is refused"},
      {listing_of(R"({"rfilename":"a\u0007"})"), "is refused"},
  };
  for (const auto& [text, why] : rows) {
    EXPECT_NE(refusal(text).find(why), std::string::npos) << text << ": " << refusal(text);
  }
}

TEST(Tree, IsWrittenAsHuggingfaceHubDoes) {
  Tree tree;
  parse_tree_page(R"([{"type":"directory","oid":"x","size":0,"path":"d"},
    {"type":"file","oid":")" +
                      std::string(40, 'a') + R"(","size":7,"path":"z.json"},
    {"type":"file","oid":")" +
                      std::string(40, 'b') + R"(","size":9,"path":"m.bin",
     "lfs":{"oid":")" +
                      std::string(64, 'd') + R"(","size":9,"pointerSize":1},
     "xetHash":")" + std::string(64, 'e') +
                      R"("}])",
                  "t", tree);
  EXPECT_EQ(tree_json(tree), R"({
 "format_version": 1,
 "files": {
  "m.bin": {
   "size": 9,
   "blob_id": ")" + std::string(40, 'b') +
                                 R"(",
   "lfs_sha256": ")" + std::string(64, 'd') +
                                 R"(",
   "lfs_size": 9,
   "xet_hash": ")" + std::string(64, 'e') +
                                 R"("
  },
  "z.json": {
   "size": 7,
   "blob_id": ")" + std::string(40, 'a') +
                                 R"("
  }
 }
})");
}

TEST(Tree, RefusesNamesAndHashesThatAreNone) {
  for (const char* item : {R"({"type":"file","path":"../a","size":1,"oid":""})",
                           R"({"type":"file","path":"a","size":1,"oid":"../../x"})", R"({})"}) {
    Tree tree;
    EXPECT_THROW(parse_tree_page("[" + std::string(item) + "]", "t", tree), Error) << item;
  }
}

}  // namespace
}  // namespace tamis::hub
