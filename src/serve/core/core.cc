#include "serve/core/core.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/error.h"
#include "model/input_error.h"
#include "serve/batching/current_error.h"
#include "serve/core/request_checks.h"
#include "tasks/finite.h"

namespace tamis::serve {

namespace {

// Texts of so many bytes are tokenized where they arrive: about 30 us, what two thread switches
// cost under load.
constexpr int64_t kInlineBytes = 2048;
// Texts that one worker tokenizes at a time.
constexpr size_t kChunk = 32;
// What may be decoded and printed on the protocol's own thread: 8,192 floats in JSON, about 0.2 ms.
constexpr int64_t kInlineReplyBytes = 8192 * kPrintedFloatBytes;
// Steps of decoding there, about 0.2 ms: a question's 384 tokens with answers of up to 15.
constexpr int64_t kInlineSteps = 16384;

// Of text, that a label's mark stands for.
constexpr int64_t kMarkBytes = 4;

size_t bytes_of(const tasks::TaskInput& input) {
  size_t bytes = input.text.size() + (input.pair ? input.pair->size() : 0);
  // A query is read again with each text.
  for (const std::string& text : input.texts) bytes += text.size() + input.text.size();
  return bytes;
}

// Tokens that bytes of text will be, before anyone has looked: between English (4.5 bytes a token)
// and Chinese (3).
int64_t estimate_tokens(const Request& request, int64_t max_length) {
  int64_t tokens = 0;
  for (const Row& row : request.rows) tokens += row.sequence.size();
  int64_t label_bytes = 0;  // of labels that are read again with each text
  if (request.options && std::holds_alternative<tasks::NerOptions>(*request.options)) {
    for (const std::string& label : std::get<tasks::NerOptions>(*request.options).labels) {
      label_bytes += static_cast<int64_t>(label.size()) + kMarkBytes;
    }
  }
  for (const tasks::TaskInput& input : request.inputs) {
    const auto sequences = std::max<int64_t>(1, static_cast<int64_t>(input.texts.size()));
    const auto guess = (static_cast<int64_t>(bytes_of(input)) + label_bytes) / 4 + 2 * sequences;
    const bool cut = max_length > 0 && request.options &&
                     !std::holds_alternative<tasks::QaOptions>(*request.options) &&
                     !std::holds_alternative<tasks::NerOptions>(*request.options);
    tokens += cut ? std::min(guess, max_length * sequences) : guess;
  }
  return tokens;
}

int64_t unix_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

struct Core::Flight {
  explicit Flight(std::atomic<int64_t>& count) : in_flight(count) { in_flight.fetch_add(1); }
  ~Flight() { land(); }
  Flight(const Flight&) = delete;
  Flight& operator=(const Flight&) = delete;

  // Counts no more; the last touch of the core. A flight that was lost lands when it goes.
  void land() {
    if (std::exchange(landed, true)) return;
    done = nullptr;
    job.reset();
    ticket.leave();
    model.reset();
    in_flight.fetch_sub(1);
    in_flight.notify_all();
  }

  std::atomic<int64_t>& in_flight;
  bool landed = false;
  Request request;
  ReplyCallback done;
  Reply reply;
  ModelLease model;
  Admission::Ticket ticket;  ///< until the job has it
  std::vector<tasks::Encoded> encoded;
  JobPtr job;
  std::optional<CachedJob> cached;  ///< where answers are kept
  int64_t arrived_ns = 0;
  int64_t tokenized_ns = 0;
  int64_t deadline_ns = 0;  ///< 0: none
  std::atomic<size_t> chunks_left{0};
  std::mutex mutex;         ///< of reply.error and the next while chunks are tokenized
  size_t refused_from = 0;  ///< the first input of the chunk that reply.error is about
};

Core::Core(ModelRepository& models, WorkerPool& workers, CoreOptions options)
    : models_(models), workers_(workers), options_(options) {
  if (options_.cache_bytes > 0) cache_ = std::make_unique<AnswerCache>(options_.cache_bytes);
}

Core::~Core() { close(); }

void Core::close() {
  closed_.store(true);
  models_.drain();
  for (int64_t left = in_flight_.load(); left != 0; left = in_flight_.load()) in_flight_.wait(left);
}

std::string Core::why_not_ready() {
  if (draining()) return "the server is shutting down";
  if (std::string loading = models_.waiting_for(); !loading.empty()) return loading;
  const std::string failed = options_.ready_needs_all ? models_.why_incomplete() : "";
  if (!failed.empty()) return failed;
  for (const ModelLease& model : models_.loaded()) {
    if (model->batcher().running_for_ns() > options_.stall_ns) {
      return cat("model ", model->name(), " has stalled");
    }
  }
  return "";
}

void Core::submit(Request request, ReplyCallback done) {
  FlightPtr flight;
  try {
    flight = std::make_shared<Flight>(in_flight_);
  } catch (...) {
    Reply reply;
    reply.error = current_error();
    done(std::move(reply));
    return;
  }
  flight->request = std::move(request);
  flight->done = std::move(done);
  flight->arrived_ns = options_.clock->now_ns();
  try {
    if (closed_.load()) fail(ErrorCode::kUnavailable, "the server is shutting down");
    start(flight);
  } catch (...) {
    fail_flight(flight, current_error());
  }
}

void Core::start(const FlightPtr& flight) {
  Request& request = flight->request;
  flight->model = models_.lease(request.model, request.version);
  flight->reply.model = flight->model->name();
  flight->reply.version = flight->model->version();
  int64_t& bytes = flight->reply.text_bytes;
  size_t longest = 0;
  for (const tasks::TaskInput& input : request.inputs) {
    longest = std::max(longest, bytes_of(input));
    bytes += static_cast<int64_t>(bytes_of(input));
  }
  flight->reply.characters = characters_of(request);
  if (request.inputs.empty() && request.rows.empty()) {
    flight->tokenized_ns = flight->arrived_ns;
    return reply(flight);
  }
  check_rows(flight->model->model(), request);
  check_dimensions(flight->model->model(), request);
  price_request(request, options_.limits);
  if (request.outputs == OutputSet::kTokens && !flight->model->info().has_token_embeddings) {
    (void)flight->model->model().outputs(OutputSet::kTokens);  // throws
  }
  admit(*flight);
  flight->encoded.resize(request.inputs.size());
  // One worker's share of texts stays with the worker that has them.
  const WorkerPool& pool = workers_for(longest);
  const bool here = pool.is_worker() && request.inputs.size() <= kChunk;
  if (bytes <= kInlineBytes || here) {
    note_work(bytes);
    tokenize_range(flight, 0, request.inputs.size());
  } else {
    tokenize(flight);
  }
}

void Core::admit(Flight& flight) {
  const Request& request = flight.request;
  const int64_t timeout_us =
      request.timeout_us > 0 ? request.timeout_us : options_.default_timeout_us;
  if (timeout_us > 0) flight.deadline_ns = flight.arrived_ns + timeout_us * 1000;
  Demand demand;
  demand.tokens = estimate_tokens(request, flight.model->info().max_length);
  demand.level = level_of(request.priority);
  demand.client = request.client;
  demand.deadline_ns = flight.deadline_ns;
  demand.cancelled = request.cancelled;
  Admission::Verdict verdict = flight.model->batcher().admit(demand);
  if (!verdict.ticket) {
    flight.reply.retry_after_ms = std::max<int64_t>(1, verdict.wait_ns / 1'000'000);
    fail(ErrorCode::kOverloaded, "Exceeds maximum queue size: model ", flight.model->name(),
         " is overloaded");
  }
  flight.ticket = std::move(verdict.ticket);
}

void Core::note_work(int64_t steps) {
  if (std::this_thread::get_id() != protocol_thread_.load()) return;
  // One thread writes.
  if (steps > largest_work_.load()) largest_work_.store(steps);
}

void Core::tokenize(const FlightPtr& flight) {
  const size_t count = flight->request.inputs.size();
  size_t chunks = (count + kChunk - 1) / kChunk;
  flight->chunks_left.store(chunks);
  try {
    for (size_t begin = 0; begin < count; begin += kChunk, --chunks) {
      const size_t end = std::min(count, begin + kChunk);
      size_t longest = 0;
      for (size_t i = begin; i < end; ++i) {
        longest = std::max(longest, bytes_of(flight->request.inputs[i]));
      }
      workers_for(longest).post([this, flight, begin, end] { tokenize_range(flight, begin, end); });
    }
  } catch (...) {
    {
      const std::lock_guard lock(flight->mutex);
      flight->reply.error = current_error();
    }
    chunks_done(flight, chunks);
  }
}

tasks::Encoded Core::encode_one(Flight& flight, size_t i, int64_t most_tokens) {
  Request& request = flight.request;
  try {
    return flight.model->model().encode(std::move(request.inputs[i]), *request.options,
                                        most_tokens);
  } catch (const Error& error) {
    throw api::InputError(i, request.inputs.size(), error);
  }
}

void Core::tokenize_range(const FlightPtr& flight, size_t begin, size_t end) {
  try {
    Request& request = flight->request;
    const bool gone = request.cancelled && request.cancelled->load();
    if (gone) fail(ErrorCode::kCancelled, "the client has gone");
    const LabelSizes labels = sizes_of(flight->model->info().labels);
    // Requests of ids alone may have no options.
    const int64_t token = request.options ? token_bytes(*request.options) : 1;
    for (size_t i = begin; i < end; ++i) {
      tasks::Encoded& encoded = flight->encoded[i];
      encoded = encode_one(*flight, i, request.budget->left_bytes() / token);
      request.budget->take("tokens", encoded.tokens(), token);
      price_answer(request, encoded, labels);
    }
  } catch (...) {
    const std::lock_guard lock(flight->mutex);
    // The first of several texts that are refused, whichever worker was the first.
    if (!flight->reply.error || begin < flight->refused_from) {
      flight->reply.error = current_error();
      flight->refused_from = begin;
    }
  }
  chunks_done(flight, 1);
}

void Core::chunks_done(const FlightPtr& flight, size_t chunks) {
  // Inline there are no chunks to wait for.
  if (flight->chunks_left.load() != 0 && flight->chunks_left.fetch_sub(chunks) != chunks) return;
  flight->tokenized_ns = options_.clock->now_ns();
  flight->reply.timings.tokenize_us = (flight->tokenized_ns - flight->arrived_ns) / 1000;
  if (flight->reply.error) {
    fail_flight(flight, *flight->reply.error);
    return;
  }
  try {
    enqueue(flight);
  } catch (...) {
    fail_flight(flight, current_error());
  }
}

JobPtr Core::make_job(Flight& flight) {
  const Request& request = flight.request;
  const auto job = std::make_shared<Job>();
  Reply& reply = flight.reply;
  for (const tasks::Encoded& encoded : flight.encoded) {
    for (const tasks::Sequence& sequence : encoded.sequences) job->rows.push_back({&sequence, {}});
    reply.tokens_of_input.push_back(encoded.tokens());
    reply.truncated.push_back(encoded.truncated);
  }
  for (const Row& row : request.rows) {
    job->rows.push_back({&row.sequence, row.positions});
    reply.tokens_of_input.push_back(row.sequence.size());
    reply.truncated.push_back(row.truncated);
  }
  for (const int64_t tokens : reply.tokens_of_input) job->tokens += tokens;
  reply.tokens = job->tokens;
  job->outputs = request.outputs;
  job->priority = request.priority;
  job->client = request.client;
  job->cancelled = request.cancelled;
  job->arrival_ns = flight.arrived_ns;
  job->deadline_ns = flight.deadline_ns;
  return job;
}

void Core::enqueue(const FlightPtr& flight) {
  const JobPtr job = make_job(*flight);
  flight->job = job;
  if (job->rows.empty()) {
    decode(flight);  // a query with nothing to rank
    return;
  }
  price_outputs(flight->request, flight->model->model(), *job);
  if (cache_ != nullptr) {
    look_up(*flight);
    if (job->rows.empty()) return ended(flight);
  }
  flight->ticket.correct(job->tokens);
  job->ticket = std::move(flight->ticket);
  job->done = [this, flight](const JobPtr&) { ended(flight); };
  try {
    flight->model->batcher().push(job);
  } catch (...) {
    // They hold each other.
    job->done = nullptr;
    throw;
  }
}

// What is in the cache need not run.
void Core::look_up(Flight& flight) {
  note_work(flight.job->tokens);
  flight.cached.emplace(*cache_, flight.model->serial(), *flight.job);
}

// The job has run, or never will.
void Core::ended(const FlightPtr& flight) {
  int64_t steps = 0;
  for (const tasks::Encoded& encoded : flight->encoded) steps += decode_steps(encoded);
  Executor* executor = flight->request.reply_on;
  const bool large =
      steps > kInlineSteps || flight->request.budget->taken_bytes() > kInlineReplyBytes;
  // With nothing behind it a batch's last answer costs nobody time, and a thread switch does.
  if (executor == nullptr && !large && flight->model->batcher().queued_jobs() == 0) {
    decode(flight);
    return;
  }
  if (executor == nullptr || large) executor = &workers_;
  try {
    executor->post([this, flight] { decode(flight); });
  } catch (...) {
    fail_flight(flight, current_error());
  }
}

namespace {

// Rows [first, first + count) of the sequences, of every output.
std::vector<tasks::OutputView> views_of(const Job& job, size_t first, size_t count) {
  std::vector<tasks::OutputView> views;
  for (size_t i = 0; i < job.results.size(); ++i) {
    const RawOutput& output = job.results[i];
    int64_t rows = 0;
    for (size_t r = first; r < first + count; ++r) rows += output.rows_of_input[r];
    const int64_t begin = count == 0 ? 0 : job.first_row[i][first];
    views.push_back({output.name, TensorView(DType::kF32, {rows, output.row_elements},
                                             output.values.data() + begin * output.row_elements)});
  }
  return views;
}

// As tasks::decode() does for answers.
void check_raw(const RawOutput& output, size_t inputs) {
  const auto width = static_cast<size_t>(output.row_elements);
  std::span<const float> rest = output.values;
  for (size_t i = 0; i < output.rows_of_input.size(); ++i) {
    const auto rows = static_cast<size_t>(output.rows_of_input[i]);
    try {
      tasks::require_finite(output.name, rest.first(rows * width), output.row_elements,
                            rows > 1 ? "token" : "");
    } catch (const Error& error) {
      throw api::InputError(i, inputs, error);
    }
    rest = rest.subspan(rows * width);
  }
}

}  // namespace

// Turns the outputs of a job that ran into the reply's results.
void Core::decode_results(Flight& flight) {
  Job& job = *flight.job;
  Reply& reply = flight.reply;
  if (flight.cached) flight.cached->finish(job, flight.model->model().outputs(job.outputs));
  if (flight.request.raw) {
    for (const RawOutput& output : job.results) check_raw(output, reply.tokens_of_input.size());
    reply.raw = std::move(job.results);
    return;
  }
  Servable& model = flight.model->model();
  // Rows as they came stand for texts that nobody has seen.
  for (Row& row : flight.request.rows) {
    tasks::Encoded encoded;
    encoded.options = flight.request.options.value();
    encoded.sequences.push_back(std::move(row.sequence));
    encoded.windows.emplace_back();
    flight.encoded.push_back(std::move(encoded));
  }
  size_t first = 0;
  for (const tasks::Encoded& encoded : flight.encoded) {
    const size_t count = encoded.sequences.size();
    std::vector<tasks::OutputView> views = views_of(job, first, count);
    std::vector<OutputInfo> infos;
    if (views.empty()) {
      // Nothing ran: the outputs are there, with no rows.
      infos = model.outputs(job.outputs);
      for (const OutputInfo& info : infos) {
        views.push_back({info.name, TensorView(DType::kF32, {0, info.row_elements}, nullptr)});
      }
    }
    try {
      reply.results.push_back(model.decode(encoded, views));
    } catch (const Error& error) {
      throw api::InputError(reply.results.size(), flight.encoded.size(), error);
    }
    first += count;
  }
}

void Core::decode(const FlightPtr& flight) noexcept {
  Job& job = *flight->job;
  Reply& answer = flight->reply;
  if (job.started_ns != 0) {
    answer.timings.queue_us = std::max<int64_t>(0, job.started_ns - flight->tokenized_ns) / 1000;
    answer.timings.run_us = (job.ended_ns - job.started_ns) / 1000;
  }
  try {
    if (job.error) throw Error(*job.error);
    note_work(flight->request.budget->taken_bytes());
    decode_results(*flight);
  } catch (...) {
    answer.results.clear();
    answer.error = current_error();
  }
  reply(flight);
}

void Core::fail_flight(const FlightPtr& flight, const Error& error) noexcept {
  flight->reply.error = error;
  reply(flight);
}

void Core::count(Flight& flight) noexcept {
  if (flight.request.is_ours) return;
  const Reply& answer = flight.reply;
  const int64_t now = options_.clock->now_ns();
  const int64_t total = now - flight.arrived_ns;
  try {
    if (flight.model != nullptr) {
      RequestStat stat;
      stat.ok = !answer.error;
      stat.rejected = answer.error && answer.error->code() == ErrorCode::kOverloaded;
      stat.cancelled = answer.error && (answer.error->code() == ErrorCode::kCancelled ||
                                        answer.error->code() == ErrorCode::kDeadlineExceeded);
      stat.inputs = answer.tokens_of_input.size();
      stat.total_ns = static_cast<uint64_t>(total);
      stat.queue_ns = static_cast<uint64_t>(answer.timings.queue_us) * 1000;
      stat.compute_input_ns = static_cast<uint64_t>(answer.timings.tokenize_us) * 1000;
      stat.compute_infer_ns = static_cast<uint64_t>(answer.timings.run_us) * 1000;
      const int64_t run_end = flight.job ? flight.job->ended_ns : 0;
      if (run_end != 0) {
        stat.compute_output_ns = static_cast<uint64_t>(std::max<int64_t>(0, now - run_end));
      }
      stat.ended_ms = unix_ms();
      flight.model->stats().add(stat);
    }
    if (observer_) observer_({&flight.request, &answer, total});
  } catch (...) {
    // A figure less; the answer goes out.
  }
}

void Core::reply(const FlightPtr& flight) noexcept {
  flight->ticket.leave();
  count(*flight);
  if (flight->request.budget != nullptr) {
    memory_.gave(flight->request.budget->taken_bytes() + flight->reply.text_bytes);
  }
  try {
    const ReplyCallback done = std::exchange(flight->done, nullptr);
    done(std::move(flight->reply));
  } catch (...) {
    // What `done` holds sees to an answer when it goes.
  }
  flight->land();
}

}  // namespace tamis::serve
