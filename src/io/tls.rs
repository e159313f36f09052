//! TLS as http and ftp use it: which authorities are trusted, and error messages that say what to set.
//!
//! The system's authorities come first (`SSL_CERT_FILE` and `SSL_CERT_DIR` replace them), the bundled ones serve where the
//! system has none, and a caller's own file adds to either.

use crate::error::ResultExt;
use crate::options::{ClientCertificate, Remote};
use crate::{Error, ErrorKind, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// What of a caller's options TLS depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct TlsOptions {
    ca_file: Option<PathBuf>,
    client_cert: Option<ClientCertificate>,
}

impl TlsOptions {
    /// The part of the options that concerns TLS.
    pub(crate) fn of(remote: &Remote) -> Self {
        Self { ca_file: remote.ca_file.clone(), client_cert: remote.client_cert.clone() }
    }
}

type Configurations = HashMap<TlsOptions, Arc<ClientConfig>>;

/// One configuration for each set of options: reading the system's authorities takes tens of milliseconds.
static CONFIGURATIONS: LazyLock<Mutex<Configurations>> = LazyLock::new(Mutex::default);

/// The TLS configuration that trusts the system's authorities and those of `ca_file`, and shows `client_cert` to who asks for one.
///
/// The first call for each set of options reads files, on a thread that may block. The configuration names no application
/// protocol (ALPN); http adds its own to a copy.
///
/// # Errors
///
/// When a file can't be read or does not hold what it should, or when `SSL_CERT_FILE` or `SSL_CERT_DIR` is set and leads to none.
pub(crate) async fn client_config(options: &TlsOptions) -> Result<Arc<ClientConfig>> {
    if let Some(known) = CONFIGURATIONS.lock().unwrap_or_else(PoisonError::into_inner).get(options) {
        return Ok(known.clone());
    }
    let options = options.clone();
    let loading = tokio::task::spawn_blocking(move || load(options));
    loading.await.map_err(|_| Error::cancelled())?
}

fn load(options: TlsOptions) -> Result<Arc<ClientConfig>> {
    // Loaded without the lock, so that one slow disk doesn't hold up everybody; the same work done twice does no harm.
    let mut roots = system_roots()?;
    if let Some(path) = &options.ca_file {
        add_file(&mut roots, path).in_file(&path.display().to_string())?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::new(ErrorKind::Io, format!("TLS can't be set up: {error}")))?
        .with_root_certificates(roots);
    let config = match &options.client_cert {
        None => config.with_no_client_auth(),
        Some(files) => {
            let (chain, key) = own_certificate(files)?;
            config.with_client_auth_cert(chain, key).map_err(|error| {
                let message = format!("client_cert= can't be used: {error}");
                Error::argument(message).in_file(&files.cert.display().to_string())
            })?
        }
    };
    let config = Arc::new(config);
    CONFIGURATIONS.lock().unwrap_or_else(PoisonError::into_inner).insert(options, config.clone());
    Ok(config)
}

/// The certificates and the key of PEM files.
fn own_certificate(files: &ClientCertificate) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let (cert, key) = (&files.cert, files.key.as_ref().unwrap_or(&files.cert));
    let certificates = || {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&std::fs::read(cert)?).collect();
        chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| {
            Error::argument("client_cert= holds no certificate: a PEM file with BEGIN CERTIFICATE lines is needed")
        })
    };
    let private_key = || {
        PrivateKeyDer::from_pem_slice(&std::fs::read(key)?).map_err(|_| {
            Error::argument("holds no private key for client_cert=: a PEM file with BEGIN PRIVATE KEY lines is needed")
        })
    };
    let chain = certificates().in_file(&cert.display().to_string())?;
    Ok((chain, private_key().in_file(&key.display().to_string())?))
}

/// The authorities that the system trusts, or the bundled ones where it has none.
fn system_roots() -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if !roots.is_empty() {
        return Ok(roots);
    }
    // Whoever sets a variable wants those authorities and no others: a typo must not pass silently.
    for variable in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
        if let Some(value) = std::env::var_os(variable) {
            let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
            let value = Path::new(&value).display();
            return Err(Error::argument(format!("{variable}={value} gives no certificate: {}", reasons.join("; "))));
        }
    }
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    Ok(roots)
}

/// Adds the authorities of a PEM file.
fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<()> {
    let pem = std::fs::read(path)?;
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| Error::argument(format!("not a PEM file: {error}")))?;
        let added = roots.add(certificate);
        added.map_err(|error| Error::argument(format!("holds a certificate that can't be used: {error}")))?;
    }
    if roots.len() == before {
        return Err(Error::argument("holds no certificate: a PEM file with BEGIN CERTIFICATE lines is needed"));
    }
    Ok(())
}

/// Says what went wrong in a TLS handshake with `host`, and what to set.
///
/// A certificate that is refused will be refused again, so it is [`ErrorKind::Io`], which nobody retries; a handshake that
/// broke off is [`ErrorKind::Network`].
pub(crate) fn handshake_error(error: &io::Error, host: &str) -> Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(reason)) = inner else {
        return Error::network(format!("the TLS handshake with {host} failed: {error}"));
    };
    let message = match reason {
        CertificateError::UnknownIssuer => format!(
            "the certificate of {host} is signed by an authority that is not trusted: name a PEM file of that authority \
             in the environment variable SSL_CERT_FILE or as ca_file= (Rust: Remote::ca_file)"
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("the certificate is for another host than {host}: {reason}")
        }
        reason => format!("the certificate of {host} is refused: {reason}"),
    };
    Error::new(ErrorKind::Io, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn trusting(ca_file: &Path) -> TlsOptions {
        TlsOptions { ca_file: Some(ca_file.to_owned()), client_cert: None }
    }

    fn refused(reason: CertificateError) -> Error {
        let error = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::InvalidCertificate(reason));
        handshake_error(&error, "archive.example")
    }

    #[test]
    fn an_unknown_issuer_says_what_to_set() {
        let error = refused(CertificateError::UnknownIssuer);
        for word in ["archive.example", "SSL_CERT_FILE", "ca_file"] {
            assert!(error.to_string().contains(word), "{error}");
        }
        assert!(!error.is_transient());
    }

    #[test]
    fn a_wrong_host_is_named() {
        let error = refused(CertificateError::NotValidForName);
        assert!(error.to_string().contains("another host than archive.example"), "{error}");
    }

    #[test]
    fn a_broken_handshake_may_be_tried_again() {
        let error = handshake_error(&io::Error::from(io::ErrorKind::UnexpectedEof), "archive.example");
        assert!(error.is_transient());
    }

    #[tokio::test]
    async fn a_ca_file_without_certificates_is_named() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"nothing of use").unwrap();
        let error = client_config(&trusting(file.path())).await.unwrap_err();
        assert!(error.to_string().contains("holds no certificate"), "{error}");
        assert!(error.to_string().contains(&*file.path().to_string_lossy()), "{error}");
        let error = client_config(&trusting(Path::new("/no/such/authorities.pem"))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn a_configuration_is_made_once() {
        let first = client_config(&TlsOptions::default()).await.unwrap();
        assert!(Arc::ptr_eq(&first, &client_config(&TlsOptions::default()).await.unwrap()));
    }
}
