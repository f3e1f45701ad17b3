#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <mutex>

#include "base/error.h"
#include "base/json.h"
#include "base/thread_pool.h"
#include "tokenizer/tokenizer_impl.h"
#include "tokenizer/utf8.h"

namespace tamis::tokenizer {

namespace {

/// Cuts the original at added tokens, normalizes what lies between, and cuts that again.
void prepare(const Tokenizer::Impl& impl, std::string_view text, bool ascii, Scratch& scratch) {
  Text& work = scratch.text;
  if (!impl.added.found_in_original(text)) {
    work.assign(text, ascii);
    if (work.pieces.empty()) return;
    if (impl.normalizer) impl.normalizer->normalize(work, scratch);
    if (impl.added.found_in_normalized(work.bytes())) {
      impl.added.cut_normalized(work, work.pieces[0], work.next_pieces);
      work.commit_pieces();
    } else if (work.bytes().empty()) {
      work.pieces.clear();
    } else {
      // The library slices anew here, too: the piece begins where its first byte came from.
      work.pieces[0].origin = work.align(0).start;
    }
    return;
  }
  scratch.original.assign(text, ascii);
  scratch.original.next_pieces.clear();
  impl.added.cut_original(scratch.original, scratch.original.pieces[0],
                          scratch.original.next_pieces);
  scratch.original.commit_pieces();
  work.clear();
  for (const Piece& piece : scratch.original.pieces) {
    if (piece.token != kNoToken) {
      work.pieces.push_back(work.append(scratch.original, piece));
      continue;
    }
    Text& stretch = scratch.stretch;
    stretch.clear();
    stretch.pieces.push_back(stretch.append(scratch.original, piece));
    if (impl.normalizer) impl.normalizer->normalize(stretch, scratch);
    impl.added.cut_normalized(stretch, stretch.pieces[0], stretch.next_pieces);
    stretch.commit_pieces();
    for (const Piece& part : stretch.pieces) work.pieces.push_back(work.append(stretch, part));
  }
}

/// Counts the spaces of tokens whose text is not their vocabulary entry: added ones, and those that
/// the model does not know.
void count_odd_spaces(const Text& text, SequenceTokens& tokens) {
  size_t at = 0;
  for (size_t i = 0; i < text.pieces.size() && at < tokens.size(); ++i) {
    const auto word = static_cast<int32_t>(i);
    for (; at < tokens.size() && tokens.words[at] == word; ++at) {
      const bool added = text.pieces[i].token != kNoToken;
      if (!added && tokens.ids[at] != tokens.matched_text_id) continue;
      SequenceTokens::Spaces spaces =
          count_spaces(added ? text.view(text.pieces[i]) : std::string_view(tokens.texts[at]));
      spaces.token = static_cast<uint32_t>(at);
      tokens.spaces.push_back(spaces);
    }
  }
}

void check_text(std::string_view text, bool& ascii) {
  if (text.size() > INT32_MAX) {
    fail(ErrorCode::kInvalidArgument, "text of ", text.size(), " bytes; at most ", INT32_MAX,
         " are accepted");
  }
  ascii = is_ascii(text);
  if (ascii) return;
  require_utf8(text);
}

/// Gives every token its text.
void fill_texts(const Vocab& vocab, SequenceTokens& tokens) {
  tokens.texts.resize(tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) {
    // Matched texts are never empty.
    if (tokens.texts[i].empty()) tokens.texts[i] = vocab.token(tokens.ids[i]);
  }
}

void encode_sequence(const Tokenizer::Impl& impl, std::string_view text, size_t limit,
                     Scratch& scratch, SequenceTokens& out) {
  bool ascii = false;
  check_text(text, ascii);
  if (text.empty()) return;
  scratch.regex.start(text.size());
  prepare(impl, text, ascii, scratch);
  if (impl.pre_tokenizer) impl.pre_tokenizer->split(scratch.text, scratch);
  impl.model->tokenize(scratch.text, scratch, limit, out);
  if (!impl.post.trims.empty()) count_odd_spaces(scratch.text, out);
  if (out.wants_texts) fill_texts(impl.model->vocab(), out);
}

/// Tokens after which tokenization may stop: only where what follows is sure to be thrown away.
size_t token_limit(const TextInput& input, const EncodeOptions& options) {
  const bool stops = options.max_length > 0 && !input.pair && !options.return_overflowing &&
                     options.truncation_side == Side::kRight &&
                     options.strategy != TruncationStrategy::kOnlySecond;
  return stops ? static_cast<size_t>(options.max_length) : kNoLimit;
}

void encode_with(const Tokenizer::Impl& impl, const TextInput& input, const EncodeOptions& options,
                 Scratch& scratch, Encoding& out) {
  if (options.max_length < 0 || options.stride < 0) {
    fail(ErrorCode::kInvalidArgument, "max_length ", options.max_length, " and stride ",
         options.stride, " must not be negative");
  }
  for (SequenceTokens& tokens : scratch.sequences) {
    tokens.clear();
    tokens.wants_texts = options.tokens;
    if (options.tokens || !impl.post.trims.empty()) {
      tokens.matched_text_id = impl.model->matched_text_id();
    }
  }
  encode_sequence(impl, input.text, token_limit(input, options), scratch, scratch.sequences[0]);
  if (input.pair) {
    encode_sequence(impl, *input.pair, kNoLimit, scratch, scratch.sequences[1]);
  }
  post_process(impl.post, impl.spaces, scratch.sequences, input.pair.has_value(), options, out);
}

}  // namespace

std::unique_ptr<Scratch> Tokenizer::Impl::ScratchPool::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      auto scratch = std::move(free_.back());
      free_.pop_back();
      return scratch;
    }
  }
  return std::make_unique<Scratch>();
}

void Tokenizer::Impl::ScratchPool::give_back(std::unique_ptr<Scratch> scratch) {
  scratch->shrink();
  const std::lock_guard lock(mutex_);
  free_.push_back(std::move(scratch));
}

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Encoding Tokenizer::encode(const TextInput& input, const EncodeOptions& options) const {
  Encoding out;
  encode_into(input, options, out);
  return out;
}

void Tokenizer::encode_into(const TextInput& input, const EncodeOptions& options,
                            Encoding& out) const {
  auto scratch = impl_->scratches.take();
  encode_with(*impl_, input, options, *scratch, out);
  impl_->scratches.give_back(std::move(scratch));
}

std::vector<Encoding> Tokenizer::encode_batch(std::span<const TextInput> inputs,
                                              const EncodeOptions& options,
                                              ThreadPool* pool) const {
  std::vector<Encoding> out(inputs.size());
  // Small enough to share evenly, large enough that handing out a block costs nothing.
  constexpr size_t kBlock = 16;
  const size_t blocks = (inputs.size() + kBlock - 1) / kBlock;
  const auto run_block = [&](size_t block, Scratch& scratch) {
    const size_t end = std::min(inputs.size(), (block + 1) * kBlock);
    for (size_t i = block * kBlock; i < end; ++i) {
      try {
        encode_with(*impl_, inputs[i], options, scratch, out[i]);
      } catch (const Error& error) {
        fail(error.code(), "text ", i, ": ", std::string_view(error.what()));
      }
    }
  };
  if (pool == nullptr || pool->threads() == 1 || blocks < 2) {
    auto scratch = impl_->scratches.take();
    for (size_t block = 0; block < blocks; ++block) run_block(block, *scratch);
    impl_->scratches.give_back(std::move(scratch));
    return out;
  }
  pool->parallel_for(static_cast<int64_t>(blocks), [&](int64_t block) {
    auto scratch = impl_->scratches.take();
    run_block(static_cast<size_t>(block), *scratch);
    impl_->scratches.give_back(std::move(scratch));
  });
  return out;
}

std::string Tokenizer::decode(std::span<const int32_t> ids, bool skip_special_tokens) const {
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const int32_t id : ids) {
    const bool added = impl_->added.token(id) != nullptr;
    if (!added && !impl_->model->vocab().has_id(id)) continue;
    const std::string_view token =
        added ? impl_->added.decoded(id) : impl_->model->vocab().token(id);
    if (skip_special_tokens && impl_->added.is_special(token)) continue;
    tokens.emplace_back(token);
  }
  return decode_tokens(std::move(tokens));
}

std::string Tokenizer::decode_tokens(std::vector<std::string> tokens) const {
  std::string_view separator = " ";
  if (impl_->decoder) {
    impl_->decoder->decode(tokens);
    separator = "";
  }
  std::string text;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i > 0) text += separator;
    text += tokens[i];
  }
  return text;
}

std::optional<int32_t> Tokenizer::token_to_id(std::string_view token) const {
  const int32_t added = impl_->added.find(token);
  if (added >= 0) return added;
  const int32_t id = impl_->model->vocab().find(token);
  return id >= 0 ? std::optional<int32_t>(id) : std::nullopt;
}

std::string_view Tokenizer::id_to_token(int32_t id) const {
  if (impl_->added.token(id) != nullptr) return impl_->added.decoded(id);
  return impl_->model->vocab().token(id);
}

std::string_view Tokenizer::spelled_token(int32_t id) const {
  const AddedToken* added = impl_->added.token(id);
  return added != nullptr ? std::string_view(added->content) : impl_->model->vocab().token(id);
}

const std::string& Tokenizer::continuing_subword_prefix() const {
  return impl_->continuing_subword_prefix;
}

int64_t Tokenizer::vocab_size() const { return impl_->vocab_size; }

bool Tokenizer::is_special(int32_t id) const {
  const AddedToken* token = impl_->added.token(id);
  return token != nullptr && impl_->added.is_special(token->content);
}

const SpecialIds& Tokenizer::special_ids() const { return impl_->special; }
std::optional<int64_t> Tokenizer::model_max_length() const { return impl_->max_length; }
Side Tokenizer::truncation_side() const { return impl_->truncation_side; }
Side Tokenizer::padding_side() const { return impl_->padding_side; }
bool Tokenizer::uses_type_ids() const { return impl_->type_ids; }
const std::string& Tokenizer::to_json() const { return impl_->json; }

std::string Tokenizer::config_json(std::optional<int64_t> max_length) const {
  const auto name_of = [](Side side) { return side == Side::kLeft ? "left" : "right"; };
  JsonWriter json(2);
  json.begin_object().member("tokenizer_class", "PreTrainedTokenizerFast");
  if (!max_length) max_length = impl_->max_length;
  if (max_length) json.member("model_max_length", *max_length);
  json.member("truncation_side", name_of(impl_->truncation_side));
  json.member("padding_side", name_of(impl_->padding_side));
  json.key("model_input_names").begin_array().value("input_ids");
  if (impl_->type_ids) json.value("token_type_ids");
  json.value("attention_mask").end_array();
  const SpecialIds& special = impl_->special;
  const std::pair<const char*, std::optional<int32_t>> roles[] = {
      {"bos_token", special.bos},  {"eos_token", special.eos}, {"unk_token", special.unk},
      {"sep_token", special.sep},  {"pad_token", special.pad}, {"cls_token", special.cls},
      {"mask_token", special.mask}};
  for (const auto& [role, id] : roles) {
    if (id) json.member(role, id_content(*id));
  }
  json.end_object();
  return json.take();
}

std::string_view Tokenizer::id_content(int32_t id) const {
  const AddedToken* token = impl_->added.token(id);
  return token != nullptr ? std::string_view(token->content) : impl_->model->vocab().token(id);
}

}  // namespace tamis::tokenizer
