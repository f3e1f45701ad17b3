// What runs a batch of requests: one kind a mode.
//
// Is: the seam between the entry points (backend.cc) and the modes, and the step that they share:
// all requests of a call become one call of the library. Is not: a queue; Triton has that. May use:
// exchange, settings, contract.
#pragma once

#include <tamis/input_error.h>
#include <tamis/model.h>
#include <tamis/tokenizer.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "integrations/triton/config.h"
#include "integrations/triton/contract.h"
#include "integrations/triton/exchange.h"
#include "integrations/triton/settings.h"

namespace tamis::triton {

/// When the parts of a call began and ended.
struct Times {
  uint64_t compute_start_ns = 0;
  uint64_t compute_end_ns = 0;
};

/// Thread-safe: instances of a model run at once.
class Runner {
 public:
  virtual ~Runner() = default;
  [[nodiscard]] virtual const Subject& subject() const = 0;
  /// Throws what every request would be answered with: a prompt that the model does not have, more
  /// dimensions than its own.
  virtual void check() const {}
  /// Answers every exchange, with outputs or an error, and sends none. Gives each request's texts
  /// in `counts`. Throws nothing but out of memory.
  virtual void run(std::vector<Exchange>& exchanges, std::vector<int64_t>& counts,
                   Times& times) const = 0;
};

/// Loads what `folder` holds. The config must outlive the runner. Throws Error as Model::load() and
/// Tokenizer::load() do.
[[nodiscard]] std::unique_ptr<Runner> make_text_runner(const std::string& folder,
                                                       const Settings& settings,
                                                       const ModelConfig& config);
[[nodiscard]] std::unique_ptr<Runner> make_id_runner(const std::string& folder,
                                                     const Settings& settings,
                                                     const ModelConfig& config);
[[nodiscard]] std::unique_ptr<Runner> make_tokenizer_runner(const std::string& folder,
                                                            const Settings& settings,
                                                            const ModelConfig& config);

/// The texts of a request, with their pairs where it has them. Throws Error{kInvalidArgument}, also
/// where the subject needs pairs and there are none.
[[nodiscard]] std::vector<TaskInput> read_texts(const std::vector<InputTensor>& inputs,
                                                const Subject& subject);

/// An input that a model of the subject takes; nothing where a text must have a mask.
[[nodiscard]] std::optional<TaskInput> example_input(const Subject& subject);

/// The sizes with that of the batch before them. Where the config gives the output no size of its
/// own, it has the batch's alone.
[[nodiscard]] std::vector<int64_t> batched_shape(const ModelConfig& config, std::string_view output,
                                                 int64_t rows, std::vector<int64_t> sizes);

/// Runs `body` and turns what it throws into the exchange's error.
template <typename Body>
void answer_with(Exchange& exchange, Body body) {
  try {
    body();
  } catch (const Error& error) {
    exchange.fail(error);
  } catch (const std::bad_alloc&) {
    exchange.fail(Error(ErrorCode::kOutOfMemory, "out of memory"));
  } catch (const std::exception& error) {
    exchange.fail(Error(ErrorCode::kInternal, error.what()));
  }
}

/// A request's inputs and, once they ran, as many results.
template <typename Input, typename Result>
struct Part {
  Exchange& exchange;
  std::vector<Input> inputs = {};
  std::vector<Result> results = {};
};

/// Gives the input's error to its request, numbered as the client counts. False: no request that
/// runs has such an input.
template <typename Input, typename Result>
[[nodiscard]] bool fail_input(std::vector<Part<Input, Result>>& parts, const InputError& error) {
  size_t first = 0;
  for (Part<Input, Result>& part : parts) {
    if (part.exchange.failed()) continue;
    if (error.input() < first + part.inputs.size()) {
      part.exchange.fail(InputError(error.input() - first, part.inputs.size(),
                                    Error(error.code(), error.reason())));
      return true;
    }
    first += part.inputs.size();
  }
  return false;
}

/// Gives the exception that is being handled to every request.
template <typename Input, typename Result>
void fail_all(std::vector<Part<Input, Result>>& parts) {
  for (Part<Input, Result>& part : parts) answer_with(part.exchange, [] { throw; });
}

template <typename Input, typename Result>
std::vector<Input> inputs_of(const std::vector<Part<Input, Result>>& parts) {
  std::vector<Input> all;
  for (const Part<Input, Result>& part : parts) {
    if (!part.exchange.failed()) all.insert(all.end(), part.inputs.begin(), part.inputs.end());
  }
  return all;
}

/// All requests in one call of `run`; one whose input is refused is answered so, and the others run
/// without it.
template <typename Input, typename Result, typename Run>
void run_together(std::vector<Part<Input, Result>>& parts, Run run) {
  for (;;) {
    const std::vector<Input> all = inputs_of(parts);
    if (all.empty()) return;
    try {
      std::vector<Result> results = run(all);
      TAMIS_CHECK(results.size() == all.size());
      auto next = results.begin();
      for (Part<Input, Result>& part : parts) {
        if (part.exchange.failed()) continue;
        for (size_t i = 0; i < part.inputs.size(); ++i) part.results.push_back(std::move(*next++));
      }
      return;
    } catch (const InputError& error) {
      if (fail_input(parts, error)) continue;
      return fail_all(parts);
    } catch (...) {
      return fail_all(parts);
    }
  }
}

/// The whole of Runner::run(): `read` a request's inputs, `run` all, `write` a part's outputs.
template <typename Input, typename Result, typename Read, typename Run, typename Write>
void run_parts(std::vector<Exchange>& exchanges, std::vector<int64_t>& counts, Times& times,
               const Read& read, const Run& run, const Write& write) {
  std::vector<Part<Input, Result>> parts;
  for (Exchange& exchange : exchanges) {
    parts.push_back({exchange});
    answer_with(exchange, [&] {
      if (exchange.is_cancelled()) throw Error(ErrorCode::kCancelled, "the request is cancelled");
      parts.back().inputs = read(read_inputs(exchange.request()));
    });
    counts.push_back(static_cast<int64_t>(parts.back().inputs.size()));
  }
  times.compute_start_ns = now_ns();
  run_together(parts, run);
  times.compute_end_ns = now_ns();
  for (Part<Input, Result>& part : parts) {
    if (part.exchange.failed()) continue;
    answer_with(part.exchange, [&] { write(part); });
  }
}

}  // namespace tamis::triton
