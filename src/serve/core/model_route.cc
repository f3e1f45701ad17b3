#include "serve/core/model_route.h"

#include <algorithm>

#include "base/error.h"

namespace tamis::serve {

namespace {

std::string names_of(const std::vector<ModelLease>& models) {
  std::string names;
  for (const ModelLease& model : models) names += cat(names.empty() ? "" : ", ", model->name());
  return names.empty() ? "none" : names;
}

// A model loaded for several ways to embed does each of them; others are found by their own task.
bool does(tasks::TaskKind loaded, tasks::TaskKind asked) {
  const bool several =
      loaded == tasks::TaskKind::kEmbedMulti || loaded == tasks::TaskKind::kEmbedAll;
  return loaded == asked || (several && tasks::can_answer(loaded, asked));
}

}  // namespace

ModelLease route_model(ModelRepository& models, std::string_view name, const std::string& version,
                       std::initializer_list<tasks::TaskKind> tasks) {
  if (!name.empty()) {
    if (ModelLease found = models.find(std::string(name), version)) return found;
    const std::vector<ModelLease> all = models.loaded();
    for (const ModelLease& model : all) {
      if (model->info().source == name) return model;
    }
    if (const std::string away = models.away(name); !away.empty()) return models.lease(away);
    if (const std::string any = models.fallback(); !any.empty()) return models.lease(any, version);
    fail(ErrorCode::kNotFound, "model \"", name, "\" is not loaded; loaded are ", names_of(all));
  }
  std::vector<ModelLease> fitting;
  const std::vector<ModelLease> all = models.loaded();
  for (const ModelLease& model : all) {
    const tasks::TaskKind task = model->info().task;
    const bool fits = std::any_of(tasks.begin(), tasks.end(),
                                  [&](tasks::TaskKind asked) { return does(task, asked); });
    if (fits) fitting.push_back(model);
  }
  // Else the answer would hang on which of them is loaded first.
  if (fitting.size() == 1 && models.starting()) {
    fail(ErrorCode::kUnavailable, models.waiting_for(), "; until then name one as \"model\"");
  }
  if (fitting.size() == 1) return fitting.front();
  if (all.empty()) fail(ErrorCode::kUnavailable, "no model is loaded");
  if (fitting.size() > 1) {
    fail(ErrorCode::kInvalidArgument,
         "several models can do this; name one as \"model\": ", names_of(fitting));
  }
  if (!models.ready()) fail(ErrorCode::kUnavailable, models.waiting_for());
  // The only model there is says itself what it cannot do.
  if (all.size() == 1) return all.front();
  fail(ErrorCode::kNotFound, "no loaded model can do this; loaded are ", names_of(all));
}

ModelLease route_model_by_turns(ModelRepository& models, std::string_view name,
                                const std::string& version,
                                std::initializer_list<tasks::TaskKind> tasks) {
  if (!name.empty()) return route_model(models, name, version, tasks);
  const std::vector<ModelLease> all = models.loaded();
  for (const tasks::TaskKind task : tasks) {
    const bool there = std::any_of(all.begin(), all.end(), [&](const ModelLease& model) {
      return does(model->info().task, task);
    });
    if (there) return route_model(models, name, version, {task});
  }
  return route_model(models, name, version, tasks);
}

}  // namespace tamis::serve
