// Folders of hostile authors, to one answer each: hostile_authors FORMAT COUNT [SEED].
//
// Every folder is a small one of testdata with one to three changes in its files. It is read and
// asked one text, or refused by an Error. A signal, another exception, an internal error, or
// twenty seconds without an end are faults, which name the seed: hostile_authors FORMAT 1 SEED
// does it again.
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "model/loaded_model.h"
#include "tests/hostile/mutations.h"
#include "tokenizer/tokenizer.h"

namespace {

namespace fs = std::filesystem;
using tamis::hostile::Random;

constexpr unsigned kMostSeconds = 20;
// Exceptions that are no Error, before it gives up.
constexpr int kMostFaults = 20;
constexpr int64_t kLongest = 4096;

volatile sig_atomic_t at_format = 0;
volatile uint64_t at_seed = 0;

struct Format {
  const char* name;
  std::vector<std::string> folders;
};

std::string data(const char* name) { return std::string(TAMIS_TESTDATA) + "/" + name; }
std::string unpacked(const char* name) { return std::string(TAMIS_UNPACKED_TESTDATA) + "/" + name; }
std::string models(const char* name) { return data("models/") + name; }

const std::array<Format, 5>& formats() {
  static const std::array<Format, 5> all = {{
      {"checkpoint",
       {models("bert-base"), models("roberta-base"), models("modernbert-base"),
        models("deberta-v2-base"), models("qwen3-base"), models("t5-base"),
        models("bert-token-classification"), models("bert-rerank"),
        data("sentence-transformers/dense-linear-bin"), data("minilm")}},
      {"pytorch",
       {models("variants/bin"), models("variants/bin-f16"), models("variants/bin-views"),
        models("variants/bin-parameters"), data("gliner/bert")}},
      {"bundle", {data("bundles/format-2")}},
      {"onnx", {unpacked("onnx")}},
      {"tokenizer",
       {unpacked("tokenizer/albert"), unpacked("tokenizer/bert-cased"), models("roberta-base"),
        models("t5-base"), models("deberta-v2-base")}},
  }};
  return all;
}

// Its files, by their paths inside; of onnx one file.
using Files = std::map<std::string, std::string>;

std::vector<Files> read_all(const Format& format) {
  std::vector<Files> all;
  for (const std::string& folder : format.folders) {
    Files files;
    if (!fs::is_directory(folder)) {
      std::fprintf(stderr, "%s: no folder\n", folder.c_str());
      std::exit(2);
    }
    for (const auto& entry : fs::recursive_directory_iterator(folder)) {
      const std::string name = entry.path().lexically_relative(folder).string();
      if (!entry.is_regular_file() || entry.file_size() > (size_t{4} << 20)) continue;
      if (name.ends_with(".gz") || name.ends_with(".xz") || name.ends_with(".md")) continue;
      if (std::string(format.name) == "onnx") {
        if (name.ends_with(".onnx"))
          all.push_back({{"model.onnx", tamis::read_file(entry.path())}});
        continue;
      }
      files[name] = tamis::read_file(entry.path());
    }
    if (!files.empty()) all.push_back(std::move(files));
  }
  return all;
}

class WorkFolder {
 public:
  WorkFolder() {
    const fs::path memory = "/dev/shm";
    const fs::path parent =
        ::access(memory.c_str(), W_OK) == 0 ? memory : fs::temp_directory_path();
    std::string pattern = (parent / "tamis-hostile-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::exit(2);
    path_ = pattern;
  }
  ~WorkFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;

  void write(const Files& files) const {
    for (const auto& item : fs::directory_iterator(path_)) fs::remove_all(item.path());
    for (const auto& [name, bytes] : files) {
      const fs::path path = path_ / name;
      fs::create_directories(path.parent_path());
      tamis::write_file(path, bytes);
    }
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

Files changed(const std::vector<Files>& all, Random& random) {
  Files files = all[random.below(all.size())];
  for (size_t left = 1 + random.below(3); left > 0; --left) {
    auto at = files.begin();
    std::advance(at, static_cast<int64_t>(random.below(files.size())));
    at->second = tamis::hostile::mutated(at->first, at->second, random);
  }
  // A bundle's sizes are those of its files: its author writes both.
  const auto manifest = files.find("tamis.json");
  if (manifest == files.end()) return files;
  std::string& text = manifest->second;
  for (const auto& [name, bytes] : files) {
    const size_t key = text.find("\"" + name + "\"");
    const size_t field = key == text.npos ? key : text.find("\"bytes\"", key);
    const size_t digit = field == text.npos ? field : text.find_first_of("0123456789", field);
    if (digit == text.npos) continue;
    const size_t end = std::min(text.find_first_not_of("0123456789", digit), text.size());
    text.replace(digit, end - digit, std::to_string(bytes.size()));
  }
  return files;
}

void tokenize(const fs::path& folder) {
  const auto tokenizer = tamis::tokenizer::Tokenizer::load(folder);
  const auto encoding = tokenizer.encode("A fine sieve, \xc3\xa9\xe4\xb8\xad [MASK] 1234\n</s>");
  static_cast<void>(tokenizer.decode(encoding.ids, true));
}

void answer(const fs::path& folder) {
  static const auto pool = std::make_shared<tamis::ThreadPool>(1);
  tamis::api::ModelOptions options;
  options.pool = pool;
  const auto model =
      tamis::api::LoadedModel::load(tamis::api::resolve_model(folder.string()), options);
  if (!model->has_tokenizer() || model->manifest().max_length > kLongest) return;
  static_cast<void>(
      model->run({{"A fine sieve."}}, tamis::tasks::default_options(model->task()), int64_t{512}));
}

struct Tally {
  int64_t answered = 0;
  std::map<int, int64_t> refused;  // by ErrorCode
  double longest_s = 0;
  uint64_t longest_seed = 0;
};

void run_one(const std::string& format, const std::vector<Files>& all, const WorkFolder& folder,
             uint64_t seed, Tally& tally) {
  Random random(seed);
  folder.write(changed(all, random));
  ::alarm(kMostSeconds);
  const auto begin = std::chrono::steady_clock::now();
  try {
    format == "tokenizer" ? tokenize(folder.path()) : answer(folder.path());
    ++tally.answered;
  } catch (const tamis::Error& error) {
    if (error.code() == tamis::ErrorCode::kInternal) throw;
    ++tally.refused[static_cast<int>(error.code())];
  }
  ::alarm(0);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  if (took.count() <= tally.longest_s) return;
  tally.longest_s = took.count();
  tally.longest_seed = seed;
}

void print(const Format& format, int64_t count, const Tally& tally) {
  rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  std::printf("%s: %lld folders, %lld answered", format.name, static_cast<long long>(count),
              static_cast<long long>(tally.answered));
  for (const auto& [code, times] : tally.refused) {
    std::printf(", %lld refused (code %d)", static_cast<long long>(times), code);
  }
  std::printf("; longest %.2f s (seed %llu), peak %ld MiB\n", tally.longest_s,
              static_cast<unsigned long long>(tally.longest_seed), usage.ru_maxrss / 1024);
  std::fflush(stdout);
}

// Async-signal-safe: the number is written digit by digit.
void say_seed() {
  char text[96] = "hostile_authors: fault at ";
  size_t at = std::string_view(text).size();
  for (const char* name = formats()[static_cast<size_t>(at_format)].name; *name != '\0'; ++name) {
    text[at++] = *name;
  }
  text[at++] = ' ';
  char digits[20];
  size_t count = 0;
  for (uint64_t value = at_seed; count == 0 || value != 0; value /= 10) {
    digits[count++] = static_cast<char>('0' + value % 10);
  }
  while (count > 0) text[at++] = digits[--count];
  text[at++] = '\n';
  static_cast<void>(::write(STDERR_FILENO, text, at));
}

[[noreturn]] void on_signal(int signal) {
  say_seed();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
  std::_Exit(1);
}

int run(const std::string& wanted, int64_t count, uint64_t seed) {
  bool any = false;
  int faults = 0;
  for (size_t f = 0; f < formats().size(); ++f) {
    const Format& format = formats()[f];
    if (wanted != "all" && wanted != format.name) continue;
    any = true;
    at_format = static_cast<sig_atomic_t>(f);
    const std::vector<Files> all = read_all(format);
    const WorkFolder folder;
    Tally tally;
    for (int64_t i = 0; i < count; ++i) {
      at_seed = seed + static_cast<uint64_t>(i);
      try {
        run_one(format.name, all, folder, at_seed, tally);
      } catch (const std::exception& error) {
        say_seed();
        std::fprintf(stderr, "%s\n", error.what());
        if (++faults == kMostFaults) return 1;
      }
    }
    print(format, count, tally);
  }
  if (!any) return 2;
  return faults == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4) {
    std::fprintf(stderr, "usage: hostile_authors FORMAT|all COUNT [SEED]\n");
    return 2;
  }
  tamis::set_log_sink([](tamis::LogLevel, std::string_view) {});
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM}) {
    std::signal(signal, on_signal);
  }
  return run(argv[1], std::atoll(argv[2]), argc == 4 ? std::strtoull(argv[3], nullptr, 10) : 1);
}
