#include "serve/batching/answer_cache.h"

#include <utility>

namespace tamis::serve {

namespace {

// List, map and shared pointer around an entry.
constexpr int64_t kEntryBytes = 256;
constexpr int64_t kLargestShare = 8;

template <typename T>
void append(std::string& key, const T& value) {
  key.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void append(std::string& key, std::span<const int32_t> numbers) {
  append(key, static_cast<uint32_t>(numbers.size()));
  key.append(reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes());
}

int64_t bytes_of(std::string_view key, const CachedRows& rows) {
  auto bytes = kEntryBytes + static_cast<int64_t>(key.size());
  for (const auto& output : rows.outputs) {
    bytes += static_cast<int64_t>(output.size() * sizeof(float) + sizeof(output));
  }
  return bytes;
}

// The part of a job's results that is its row number `r`'s.
CachedRowsPtr rows_of(const Job& job, size_t r) {
  auto rows = std::make_shared<CachedRows>();
  for (size_t i = 0; i < job.results.size(); ++i) {
    const RawOutput& output = job.results[i];
    const auto begin = job.first_row[i][r] * output.row_elements;
    const auto count = output.rows_of_input[r] * output.row_elements;
    rows->outputs.emplace_back(output.values.begin() + begin,
                               output.values.begin() + begin + count);
  }
  return rows;
}

}  // namespace

std::string AnswerCache::key_of(uint64_t version, OutputSet set, const RowRef& row) {
  const tasks::Sequence& sequence = *row.sequence;
  std::string key;
  key.reserve(40 + sizeof(int32_t) * (sequence.ids.size() + sequence.type_ids.size() +
                                      row.positions.size() + sequence.selected.size()));
  append(key, version);
  append(key, set);
  append(key, std::span<const int32_t>(sequence.ids));
  append(key, std::span<const int32_t>(sequence.type_ids));
  append(key, row.positions);
  append(key, std::span<const int32_t>(sequence.selected));
  append(key, sequence.keys);
  append(key, sequence.unpooled);
  return key;
}

CachedRowsPtr AnswerCache::find(std::string_view key) {
  const std::lock_guard lock(mutex_);
  const auto at = places_.find(key);
  if (at == places_.end()) {
    ++counts_.misses;
    return nullptr;
  }
  ++counts_.hits;
  order_.splice(order_.begin(), order_, at->second);
  return at->second->rows;
}

void AnswerCache::add(std::string key, CachedRowsPtr rows) {
  const int64_t bytes = bytes_of(key, *rows);
  if (bytes > max_bytes_ / kLargestShare) return;
  Order fresh;
  fresh.push_back({std::move(key), std::move(rows), bytes});
  const std::lock_guard lock(mutex_);
  if (!places_.try_emplace(fresh.front().key, fresh.begin()).second) return;
  order_.splice(order_.begin(), fresh);
  counts_.bytes += bytes;
  while (counts_.bytes > max_bytes_) {
    counts_.bytes -= order_.back().bytes;
    places_.erase(order_.back().key);
    order_.pop_back();
  }
}

CacheCounts AnswerCache::counts() const {
  const std::lock_guard lock(mutex_);
  CacheCounts counts = counts_;
  counts.entries = static_cast<int64_t>(order_.size());
  return counts;
}

CachedJob::CachedJob(AnswerCache& cache, uint64_t version, Job& job) : cache_(cache) {
  std::vector<RowRef> left;
  rows_.reserve(job.rows.size());
  for (const RowRef& row : job.rows) {
    Row& own = rows_.emplace_back();
    own.key = AnswerCache::key_of(version, job.outputs, row);
    own.rows = cache_.find(own.key);
    if (own.rows != nullptr) {
      ++hits_;
      job.tokens -= row.sequence->size();
    } else {
      left.push_back(row);
    }
  }
  job.rows = std::move(left);
}

void CachedJob::finish(Job& job, const std::vector<OutputInfo>& infos) {
  size_t ran = 0;
  for (Row& row : rows_) {
    if (row.rows != nullptr) continue;
    row.rows = rows_of(job, ran++);
    cache_.add(std::move(row.key), row.rows);
  }
  if (hits_ == 0) return;
  std::vector<RawOutput> results;
  std::vector<std::vector<int64_t>> first_row;
  for (size_t i = 0; i < infos.size(); ++i) {
    RawOutput& result = results.emplace_back();
    result.name = infos[i].name;
    result.row_elements = infos[i].row_elements;
    std::vector<int64_t>& first = first_row.emplace_back();
    for (const Row& row : rows_) {
      const std::vector<float>& values = row.rows->outputs[i];
      first.push_back(static_cast<int64_t>(result.values.size()) / result.row_elements);
      result.rows_of_input.push_back(static_cast<int64_t>(values.size()) / result.row_elements);
      result.values.insert(result.values.end(), values.begin(), values.end());
    }
  }
  job.results = std::move(results);
  job.first_row = std::move(first_row);
}

}  // namespace tamis::serve
