// Answers that several routes give.
//
// Is: what one endpoint file offers another. Is not: the routes (routes.inc). May use: call.
#pragma once

#include "serve/protocol/call.h"

namespace tamis::serve {

/// TEI's /similarity and the pipeline's sentence_similarity.
void answer_similarity(const CallPtr& call, const ModelLease& model, JsonView inputs,
                       JsonView parameters);

/// The Hugging Face pipeline of the model's own task.
void answer_pipeline(const CallPtr& call, const ModelLease& model);

/// TEI's /rerank and /embed_sparse, which it answers at its root too.
void endpoint_rerank(const CallPtr& call);
void endpoint_tei_embed_sparse(const CallPtr& call);

/// TEI's /tokenize; the body is an object.
void answer_tokens(const CallPtr& call);

}  // namespace tamis::serve
