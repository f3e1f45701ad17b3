#include "tokenizer/trie.h"

#include <algorithm>

namespace tamis::tokenizer {

using Keys = std::vector<std::pair<std::string_view, int32_t>>;

/// Places the children of one node after the other, depth first, each block of children at the
/// first base where all of them fit. Nodes come in blocks of 256 so that base ^ byte stays inside.
struct Trie::Builder {
  struct Job {
    size_t begin;
    size_t end;
    size_t depth;
    uint32_t node;
  };
  const Keys& keys;
  std::vector<Node> nodes;
  std::vector<bool> taken;
  /// No free node lies before this one.
  size_t first_free = 1;

  explicit Builder(const Keys& sorted) : keys(sorted) { grow(); }

  void grow() {
    nodes.resize(nodes.size() + 256);
    taken.resize(nodes.size());
  }

  static unsigned char byte_at(const Keys& keys, size_t key, size_t depth) {
    return static_cast<unsigned char>(keys[key].first[depth]);
  }

  uint32_t find_base(const std::vector<unsigned char>& labels) {
    while (first_free < nodes.size() && taken[first_free]) ++first_free;
    // A crowded stretch is given up after this many tries: bounded time for a little memory.
    constexpr int kTries = 512;
    int tries = 0;
    for (size_t at = first_free;; ++at) {
      while (at >= nodes.size()) grow();
      if (taken[at]) continue;
      const auto base = static_cast<uint32_t>(at ^ labels.front());
      const bool fits = std::none_of(labels.begin(), labels.end(),
                                     [&](unsigned char label) { return taken[base ^ label]; });
      if (fits) return base;
      if (++tries == kTries) first_free = at;
    }
  }

  void run() {
    taken[0] = true;
    std::vector<Job> jobs{{0, keys.size(), 0, kRoot}};
    std::vector<unsigned char> labels;
    while (!jobs.empty()) {
      Job job = jobs.back();
      jobs.pop_back();
      if (job.begin < job.end && keys[job.begin].first.size() == job.depth) {
        nodes[job.node].value = keys[job.begin].second;
        ++job.begin;
      }
      if (job.begin == job.end) continue;
      labels.clear();
      for (size_t i = job.begin; i < job.end; ++i) {
        const unsigned char label = byte_at(keys, i, job.depth);
        if (labels.empty() || labels.back() != label) labels.push_back(label);
      }
      const uint32_t base = find_base(labels);
      nodes[job.node].base = base;
      size_t begin = job.begin;
      for (const unsigned char label : labels) {
        size_t end = begin;
        while (end < job.end && byte_at(keys, end, job.depth) == label) ++end;
        const uint32_t child = base ^ label;
        taken[child] = true;
        nodes[child].parent = job.node;
        jobs.push_back({begin, end, job.depth + 1, child});
        begin = end;
      }
    }
  }
};

Trie Trie::build(Keys keys) {
  std::erase_if(keys, [](const auto& key) { return key.first.empty(); });
  std::stable_sort(keys.begin(), keys.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  // Of equal keys keep the last.
  size_t kept = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (kept > 0 && keys[kept - 1].first == keys[i].first) --kept;
    keys[kept++] = keys[i];
  }
  keys.resize(kept);
  Builder builder(keys);
  builder.run();
  Trie trie;
  trie.nodes_ = std::move(builder.nodes);
  return trie;
}

Trie::Match Trie::longest_prefix(std::string_view text) const {
  Match best;
  uint32_t node = kRoot;
  for (size_t i = 0; i < text.size(); ++i) {
    node = step(node, text[i]);
    if (node == kNowhere) break;
    if (value(node) >= 0) best = {i + 1, value(node)};
  }
  return best;
}

}  // namespace tamis::tokenizer
