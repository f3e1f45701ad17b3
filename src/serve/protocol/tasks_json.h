// Answers in the shapes of Hugging Face's pipelines: lists and objects without a wrapper.
//
// Is: printing. Is not: tasks/task_json.h, whose objects are this program's own. May use: tasks.
#pragma once

#include "base/json.h"
#include "tasks/task.h"

namespace tamis::serve {

/// [{"label","score"},..] falling.
void write_labels(const std::vector<tasks::LabelScore>& scores, JsonWriter& json);
/// [{"entity_group","score","word","start","end"},..]; "entity" and "index" without aggregation.
void write_entities(const tasks::NerResult& result, JsonWriter& json);
/// {"answer","score","start","end"}, or a list of them if top_k was asked for.
void write_answers(const tasks::QaResult& result, JsonWriter& json);
/// [{"score","token","token_str","sequence"},..]; a list of those lists for several masks.
void write_masks(const tasks::FillMaskResult& result, JsonWriter& json);
/// The pipeline's answer to one input, whatever the task.
void write_pipeline(const tasks::TaskResult& result, JsonWriter& json);

}  // namespace tamis::serve
