//! https: whom we trust, and what is said when we don't.

use super::{client, get_error, remote};
use crate::{ErrorKind, Remote};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use std::io::Write;
use std::sync::Arc;
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use url::Url;

/// A server whose certificate is for `name`; returns its port and a file that makes it trusted.
async fn serve(name: &str) -> (u16, NamedTempFile) {
    let (listener, acceptor, ca_file) = prepare(name, &[]).await;
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut socket) = acceptor.accept(socket).await else { continue };
            let _ = socket.read(&mut [0; 4096]).await;
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere").await;
            let _ = socket.shutdown().await;
        }
    });
    (port, ca_file)
}

/// A listener, what answers the TLS handshakes on it, and a file that makes its certificate trusted.
pub(super) async fn prepare(name: &str, protocols: &[&[u8]]) -> (TcpListener, TlsAcceptor, NamedTempFile) {
    let certified = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(certified.cert.pem().as_bytes()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (listener, TlsAcceptor::from(Arc::new(config)), file)
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_it_is_named() {
    let (port, ca_file) = serve("localhost").await;
    let url = format!("https://localhost:{port}/f");
    let error = get_error(&url, &remote()).await;
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("SSL_CERT_FILE") && error.to_string().contains(&url), "{error}");
    assert!(!error.is_transient());
    let remote = Remote { ca_file: Some(ca_file.path().to_owned()), ..remote() };
    let url = Url::parse(&url).unwrap();
    let mut response = client().get(&url, None, None, &remote).await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "here");
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused() {
    let (port, ca_file) = serve("other.example").await;
    let remote = Remote { ca_file: Some(ca_file.path().to_owned()), ..remote() };
    let error = get_error(&format!("https://localhost:{port}/f"), &remote).await;
    assert!(error.to_string().contains("another host than localhost"), "{error}");
    assert!(error.to_string().contains("other.example"), "{error}");
}

#[tokio::test]
async fn a_ca_file_that_is_missing_is_named() {
    let remote = Remote { ca_file: Some("/no/such/authorities.pem".into()), ..remote() };
    let (port, _ca_file) = serve("localhost").await;
    let error = get_error(&format!("https://localhost:{port}/f"), &remote).await;
    assert!(error.to_string().contains("/no/such/authorities.pem"), "{error}");
}

#[tokio::test]
async fn a_server_without_tls_is_a_network_error() {
    let server = super::server::Server::start(|_| super::server::Reply::new("200 OK", &[], b"")).await;
    let url = server.url("/").replace("http:", "https:");
    let error =
        tokio::time::timeout(super::NEVER, get_error(&url, &super::limits(super::SOON, super::NEVER, None))).await;
    let error = error.unwrap();
    assert!(matches!(error.kind(), ErrorKind::Network | ErrorKind::Timeout), "{error}");
}
