// Which model a request means that names one, or none.
//
// Is: the rule that all protocols share. Is not: where a protocol writes the name. May use:
// model_repository.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "serve/core/model_repository.h"

namespace tamis::serve {

/// The model `name`, by its name, an alias or its MODEL argument, else the one that any name means,
/// if there is one; for an empty name the only loaded one that does one of `tasks`. Throws
/// kNotFound, kInvalidArgument (several could) or kUnavailable (none is loaded, or for an empty
/// name others are still to be loaded at the start), with the names there are.
[[nodiscard]] ModelLease route_model(ModelRepository& models, std::string_view name,
                                     const std::string& version,
                                     std::initializer_list<tasks::TaskKind> tasks);

/// As route_model(), but for an empty name the only loaded model that does the first of `tasks`
/// that any loaded model does.
[[nodiscard]] ModelLease route_model_by_turns(ModelRepository& models, std::string_view name,
                                              const std::string& version,
                                              std::initializer_list<tasks::TaskKind> tasks);

/// What classifies: a classifier if there is one, else a reranker, whose one label is a score.
inline constexpr std::initializer_list<tasks::TaskKind> kClassifyTasks = {
    tasks::TaskKind::kClassify, tasks::TaskKind::kRerank};

}  // namespace tamis::serve
