//! FTPS, and the speed of both.

use std::io::Write;
use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;
use url::Url;

use super::server::{Script, Server};
use super::{FtpTransfer, fetch, remote, sample};
use crate::Remote;

/// A TLS server for localhost, and the file that makes a client trust it.
fn tls() -> (TlsAcceptor, tempfile::NamedTempFile) {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(certified.cert.pem().as_bytes()).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), file)
}

#[tokio::test]
async fn ftps_encrypts_login_and_data() {
    let (acceptor, ca_file) = tls();
    let trusting = Remote { ca_file: Some(ca_file.path().to_path_buf()), ..remote() };
    let script = || Script { tls: Some(acceptor.clone()), ..Script::new(sample()) };
    let server = Server::start(script()).await;
    assert!(fetch(&format!("ftps://u:p@{}/a", server.address), &trusting, 1000).await.unwrap() == sample()[1000..]);
    assert_eq!(server.commands()[..5], ["AUTH TLS", "PBSZ 0", "PROT P", "USER u", "PASS p"]);

    // Nothing is sent in the clear where the server has no TLS.
    let server = Server::start(script().reply("AUTH", "502 no")).await;
    let error = fetch(&format!("ftps://u:p@{}/a", server.address), &trusting, 0).await.unwrap_err();
    assert!(!error.is_transient() && server.commands() == ["AUTH TLS"], "{error}");
    let server = Server::start(script().reply("PROT", "536 no")).await;
    assert!(fetch(&format!("ftps://u:p@{}/a", server.address), &trusting, 0).await.is_err());
    assert_eq!(server.commands(), ["AUTH TLS", "PBSZ 0", "PROT P"]);

    let server = Server::start(script()).await;
    let error = fetch(&format!("ftps://{}/a", server.address), &remote(), 0).await.unwrap_err();
    assert!(!error.is_transient() && error.to_string().contains("ca_file"), "{error}");
}

#[tokio::test]
async fn a_tls_end_without_goodbye_is_taken_only_where_the_length_is_right() {
    let (acceptor, ca_file) = tls();
    let trusting = Remote { ca_file: Some(ca_file.path().to_path_buf()), ..remote() };
    let script = || Script { tls: Some(acceptor.clone()), goodbye: false, ..Script::new(sample()) };
    let server = Server::start(script()).await;
    assert!(fetch(&format!("ftps://{}/a", server.address), &trusting, 0).await.unwrap() == sample());
    let server = Server::start(script().reply("SIZE", "500 what?")).await;
    let error = fetch(&format!("ftps://{}/a", server.address), &trusting, 0).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
}

/// Throughput, to be read and not asserted: `cargo test --release ftp_speed -- --ignored --nocapture`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn ftp_speed() {
    let (acceptor, ca_file) = tls();
    let trusting = Remote { ca_file: Some(ca_file.path().to_path_buf()), ..remote() };
    let size = 400 << 20;
    for scheme in ["ftp", "ftps"] {
        for _ in 0..3 {
            let tls = (scheme == "ftps").then(|| acceptor.clone());
            let server = Server::start(Script { tls, ..Script::new(vec![7; size]) }).await;
            let url = Url::parse(&format!("{scheme}://{}/a", server.address)).unwrap();
            let mut transfer = FtpTransfer::open(&url, &trusting, 0, None, tracing::Span::none()).await.unwrap();
            let (started, mut bytes, mut chunks) = (std::time::Instant::now(), Vec::with_capacity(size), 0);
            while let Some(chunk) = transfer.chunk().await.unwrap() {
                bytes.extend_from_slice(&chunk);
                chunks += 1;
            }
            let rate = size as f64 / started.elapsed().as_secs_f64() / 1e6;
            println!("{scheme}: {rate:.0} MB/s in {chunks} chunks of {} bytes", bytes.len() / chunks);
        }
    }
}
