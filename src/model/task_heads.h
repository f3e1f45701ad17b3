// Which head a task needs, and which task a head is for.
//
// Is: the choice of head for a folder. Is not: the building of it (models). May use: models, tasks,
// formats, quant.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "base/thread_pool.h"
#include "engine/packed_batch.h"
#include "formats/sentence_transformers.h"
#include "models/models.h"
#include "tasks/task.h"

namespace tamis::api {

/// The head that a task needs, where no vectors of tokens stand in for it.
[[nodiscard]] models::HeadKind head_of(tasks::TaskKind task);

/// What a model is for if nothing else is asked.
[[nodiscard]] tasks::TaskKind task_of(const models::BuiltModel& model, bool is_cross_encoder);

/// Whether rows of the task's first output may stand for such units.
[[nodiscard]] bool is_output_unit(tasks::TaskKind task, engine::RowUnit unit);

/// A folder's head for a task, nothing: the folder's own, with the layers that it keeps beside its
/// weights. Rerank takes a head for vectors of tokens where the folder has one. Constants are
/// multiplied by the pool's threads. Throws as read_token_heads().
[[nodiscard]] models::BuildOptions build_options(const std::optional<tasks::TaskKind>& task,
                                                 const SentenceTransformerConfig& sentence,
                                                 const std::filesystem::path& weights,
                                                 const std::shared_ptr<ThreadPool>& pool);

}  // namespace tamis::api
