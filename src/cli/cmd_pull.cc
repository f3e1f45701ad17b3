#include <cstdio>

#include "base/error.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/pull_bar.h"

namespace tamis::cli {

int cmd_pull(const std::vector<std::string>& arguments) {
  Options options("pull",
                  "Downloads models from the Hugging Face Hub into its cache, where every MODEL "
                  "argument and huggingface_hub find them; prints each one's folder.",
                  "tamis pull sentence-transformers/all-MiniLM-L6-v2\n"
                  "  HF_TOKEN=hf_... tamis pull acme/private --revision v1.2\n"
                  "  HF_ENDPOINT=https://mirror.example tamis pull intfloat/e5-small-v2");
  CommonFlags common;
  std::vector<std::string> models;
  options.positional("ID", models, true, "org/name or name, with @REVISION for another than main");
  common.add_to(options);
  if (!options.parse(arguments)) return 0;

  for (const std::string& model : models) {
    PullBar bar(common.quiet);
    if (common.revision && model.find('@') != model.npos) {
      fail(ErrorCode::kInvalidArgument, "--revision ", *common.revision, ": \"", model,
           "\" names a revision itself");
    }
    const std::string id = common.revision ? cat(model, "@", *common.revision) : model;
    const std::filesystem::path folder = hub::pull(id, bar.options(hub::Parts::kModel));
    if (common.json) {
      JsonWriter json;
      json.begin_object().member("model", id).member("folder", folder.string());
      std::puts(json.end_object().str().c_str());
    } else {
      std::puts(folder.c_str());
    }
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace tamis::cli
