// HTTPS and gRPC over TLS, with a certificate that the test makes for itself.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "health.grpc.pb.h"
#include "serve/test_client.h"
#include "serve/test_server.h"

namespace tamis::serve {
namespace {

template <auto Free>
struct Freer {
  template <typename T>
  void operator()(T* item) const {
    Free(item);
  }
};
template <typename T, auto Free>
using Owned = std::unique_ptr<T, Freer<Free>>;

std::string pem_of(const std::function<int(BIO*)>& write) {
  const Owned<BIO, BIO_free_all> out(BIO_new(BIO_s_mem()));
  EXPECT_EQ(write(out.get()), 1);
  char* bytes = nullptr;
  const auto size = static_cast<size_t>(BIO_get_mem_data(out.get(), &bytes));
  return {bytes, size};
}

struct Identity {
  std::string certificate;
  std::string key;
};

// Signed by itself, for localhost, of today.
Identity make_identity() {
  const Owned<EVP_PKEY, EVP_PKEY_free> key(EVP_EC_gen("P-256"));
  const Owned<X509, X509_free> certificate(X509_new());
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* const name = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate.get(), certificate.get(), nullptr, nullptr, 0);
  const std::pair<int, const char*> extensions[] = {
      {NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1"}, {NID_basic_constraints, "CA:TRUE"}};
  for (const auto& [kind, value] : extensions) {
    const Owned<X509_EXTENSION, X509_EXTENSION_free> extension(
        X509V3_EXT_conf_nid(nullptr, &context, kind, value));
    X509_add_ext(certificate.get(), extension.get(), -1);
  }
  X509_sign(certificate.get(), key.get(), EVP_sha256());
  Identity identity;
  identity.certificate =
      pem_of([&](BIO* out) { return PEM_write_bio_X509(out, certificate.get()); });
  identity.key = pem_of([&](BIO* out) {
    return PEM_write_bio_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
  return identity;
}

std::string write_file(const char* name, const std::string& text) {
  const auto path = std::filesystem::path(testing::TempDir()) / cat("tamis_", getpid(), "_", name);
  std::ofstream(path) << text;
  return path.string();
}

// A server with the identity, and a connection to it that trusts that certificate alone.
class TlsTest : public testing::Test {
 protected:
  void SetUp() override {
    identity_ = make_identity();
    options_ = identity_options();
    options_.grpc_port = 0;
    options_.tls_certificate = write_file("certificate.pem", identity_.certificate);
    options_.tls_key = write_file("key.pem", identity_.key);
  }
  void TearDown() override {
    std::filesystem::remove(options_.tls_certificate);
    std::filesystem::remove(options_.tls_key);
  }

  void start() { server_ = serve::start(options_); }

  // The bytes that come back until the server closes.
  [[nodiscard]] std::string ask(const std::string& request) {
    const Owned<SSL_CTX, SSL_CTX_free> context(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_load_verify_file(context.get(), options_.tls_certificate.c_str());
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    const Owned<SSL, SSL_free> ssl(SSL_new(context.get()));
    SSL_set1_host(ssl.get(), "localhost");
    TestClient client(server_->http_port());
    SSL_set_fd(ssl.get(), client.socket());
    if (SSL_connect(ssl.get()) != 1) return "no handshake";
    SSL_write(ssl.get(), request.data(), static_cast<int>(request.size()));
    std::string answer;
    char bytes[4096];
    for (int got = 0; (got = SSL_read(ssl.get(), bytes, sizeof(bytes))) > 0;) {
      answer.append(bytes, static_cast<size_t>(got));
    }
    return answer;
  }

  Identity identity_;
  ServerOptions options_;
  std::unique_ptr<Server> server_;
};

TEST_F(TlsTest, AnswersHttps) {
  start();
  // Larger than a TLS record, so that body and answer come in several.
  std::string texts;
  for (int i = 0; i < 2000; ++i) texts += cat(i == 0 ? "" : ",", "\"", std::string(20, 'a'), "\"");
  const std::string body = cat("{\"inputs\":[", texts, "]}");
  const std::string answer =
      ask(cat("POST /embed HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: ",
              body.size(), "\r\n\r\n", body));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200")) << answer.substr(0, 200);
  EXPECT_TRUE(answer.ends_with("[20,97,97,1940]]")) << answer.size();
}

TEST_F(TlsTest, RefusesAKeyOfAnotherKind) {
  const Owned<EVP_PKEY, EVP_PKEY_free> other(EVP_RSA_gen(2048));
  (void)write_file("key.pem", pem_of([&](BIO* out) {
                     return PEM_write_bio_PrivateKey(out, other.get(), nullptr, nullptr, 0, nullptr,
                                                     nullptr);
                   }));
  try {
    start();
    FAIL() << "a server that can make no connection";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("is not the key of"), std::string::npos)
        << error.what();
  }
}

TEST_F(TlsTest, ClosesWhoSpeaksNoTlsAndServesOn) {
  start();
  TestClient plain(server_->http_port());
  EXPECT_EQ(plain.request("GET", "/health").status, 0);
  EXPECT_TRUE(ask("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                  .starts_with("HTTP/1.1 200"));
}

TEST_F(TlsTest, AnswersGrpc) {
  start();
  const auto check = [&](const std::string& roots) {
    grpc::SslCredentialsOptions ssl;
    ssl.pem_root_certs = roots;
    const auto channel = grpc::CreateChannel(cat("localhost:", int{server_->grpc_port()}),
                                             grpc::SslCredentials(ssl));
    const auto health = grpc::health::v1::Health::NewStub(channel);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    grpc::health::v1::HealthCheckResponse response;
    return health->Check(&context, {}, &response).error_code();
  };
  EXPECT_EQ(check(identity_.certificate), grpc::StatusCode::OK);
  EXPECT_EQ(check(make_identity().certificate), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(TlsTest, RefusesFilesThatAreNoIdentity) {
  const std::string other = write_file("other.pem", make_identity().key);
  const std::pair<std::string, std::string> cases[] = {
      {options_.tls_key, options_.tls_key},           // no certificate
      {options_.tls_certificate, other},              // another's key
      {"/nowhere/certificate.pem", options_.tls_key}  // no file
  };
  const ServerOptions good = options_;
  for (const auto& [certificate, key] : cases) {
    ServerOptions bad = good;
    bad.tls_certificate = certificate;
    bad.tls_key = key;
    EXPECT_THROW(Server{bad}, Error) << certificate << " " << key;
  }
  std::filesystem::remove(other);
}

}  // namespace
}  // namespace tamis::serve
