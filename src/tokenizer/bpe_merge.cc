#include "tokenizer/bpe_merge.h"

#include <algorithm>

namespace tamis::tokenizer {

namespace {

using Symbol = Scratch::Symbol;

// A search over n pairs for each of n merges beats a queue up to about this many symbols.
constexpr size_t kSearchSymbols = 64;

/// Repeats: find the pair of lowest rank, the first of equals, and join it.
void merge_by_search(const MergeTable& merges, std::vector<Symbol>& symbols) {
  MergeTable::Merge pairs[kSearchSymbols];
  size_t count = symbols.size();
  for (size_t i = 0; i + 1 < count; ++i) pairs[i] = merges.find(symbols[i].id, symbols[i + 1].id);
  while (count > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < count; ++i) {
      if (pairs[i].rank < pairs[best].rank) best = i;
    }
    if (pairs[best].rank == MergeTable::kNoRank) break;
    symbols[best].id = pairs[best].id;
    symbols[best].size += symbols[best + 1].size;
    --count;
    for (size_t i = best + 1; i < count; ++i) {
      symbols[i] = symbols[i + 1];
      pairs[i - 1] = pairs[i];
    }
    if (best > 0) pairs[best - 1] = merges.find(symbols[best - 1].id, symbols[best].id);
    if (best + 1 < count) pairs[best] = merges.find(symbols[best].id, symbols[best + 1].id);
  }
  symbols.resize(count);
}

/// The library's queue: entries are checked against the present only by the token they would make.
class QueueMerger {
 public:
  QueueMerger(const MergeTable& merges, Scratch& scratch)
      : merges_(merges), symbols_(scratch.symbols), queue_(scratch.queue) {}

  void run() {
    queue_.clear();
    const auto count = static_cast<int32_t>(symbols_.size());
    for (int32_t i = 0; i < count; ++i) {
      symbols_[static_cast<size_t>(i)].previous = i - 1;
      symbols_[static_cast<size_t>(i)].next = i + 1 < count ? i + 1 : -1;
    }
    for (int32_t i = 0; i + 1 < count; ++i) offer(i, i + 1);
    while (!queue_.empty()) {
      std::pop_heap(queue_.begin(), queue_.end(), later);
      const Scratch::Merge top = queue_.back();
      queue_.pop_back();
      join(top);
    }
    std::erase_if(symbols_, [](const Symbol& symbol) { return symbol.size == 0; });
  }

 private:
  static bool later(const Scratch::Merge& a, const Scratch::Merge& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.position > b.position;
  }

  Symbol& at(int32_t i) { return symbols_[static_cast<size_t>(i)]; }

  void offer(int32_t first, int32_t second) {
    const MergeTable::Merge merge = merges_.find(at(first).id, at(second).id);
    if (merge.rank == MergeTable::kNoRank) return;
    queue_.push_back({merge.rank, static_cast<uint32_t>(first), merge.id});
    std::push_heap(queue_.begin(), queue_.end(), later);
  }

  void join(const Scratch::Merge& top) {
    const auto first = static_cast<int32_t>(top.position);
    Symbol& symbol = at(first);
    if (symbol.size == 0 || symbol.next < 0) return;
    Symbol& right = at(symbol.next);
    const MergeTable::Merge now = merges_.find(symbol.id, right.id);
    if (now.rank == MergeTable::kNoRank || now.id != top.id) return;
    symbol.id = top.id;
    symbol.size += right.size;
    symbol.next = right.next;
    right.size = 0;
    if (symbol.next >= 0) at(symbol.next).previous = first;
    if (symbol.previous >= 0) offer(symbol.previous, first);
    if (symbol.next >= 0) offer(first, symbol.next);
  }

  const MergeTable& merges_;
  std::vector<Symbol>& symbols_;
  std::vector<Scratch::Merge>& queue_;
};

}  // namespace

void merge_symbols(const MergeTable& merges, bool simple, Scratch& scratch) {
  if (scratch.symbols.size() < 2) return;
  if (simple && scratch.symbols.size() <= kSearchSymbols) {
    merge_by_search(merges, scratch.symbols);
  } else {
    QueueMerger(merges, scratch).run();
  }
}

}  // namespace tamis::tokenizer
