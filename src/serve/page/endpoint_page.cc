// GET /: the page for a browser, else the health that text-embeddings-inference answers there.
#include "serve/page/page.h"
#include "serve/router.h"

namespace tamis::serve {

void endpoint_health(const CallPtr& call);

void endpoint_root(const CallPtr& call) {
  if (call->request().header("Accept").find("text/html") == std::string_view::npos) {
    endpoint_health(call);
    return;
  }
  HttpResponse response;
  response.content_type = "text/html; charset=utf-8";
  // Nothing from elsewhere is loaded, whatever a model's name or answer holds.
  response.headers = {{"Content-Security-Policy",
                       "default-src 'none'; script-src 'unsafe-inline'; style-src "
                       "'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'; "
                       "form-action 'none'; frame-ancestors 'none'"},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Vary", "Accept"}};
  response.body = page_html();
  call->respond(std::move(response));
}

}  // namespace tamis::serve
