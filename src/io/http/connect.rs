//! How one connection is made: through a proxy or not, TCP, TLS, each step within its time limit.
//!
//! Proxies are what `proxy=` says, else what `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say when the client is made, as with curl.

use super::failure::in_words;
use crate::io::tls::{self, TlsOptions};
use crate::{Error, Result};
use futures_util::future::{BoxFuture, FutureExt};
use hyper::Uri;
use hyper::header::HeaderValue;
use hyper::http::uri::Scheme;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::error::Error as StdError;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tower_service::Service;

/// The pause after which TCP asks an idle peer whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// Where SOCKS proxies listen.
const SOCKS_PORT: u16 = 1080;

/// Makes connections; cloned freely.
#[derive(Clone)]
pub(super) struct Connector(Arc<Shared>);

struct Shared {
    tcp: HttpConnector,
    proxies: Arc<Matcher>,
    limit: Duration,
    tls_options: TlsOptions,
    /// Made at the first https URL: whoever uses only http never waits for certificates to load.
    tls: OnceCell<Arc<ClientConfig>>,
}

impl Connector {
    /// A connector that gives each step at most `limit`.
    pub(super) fn new(proxies: Arc<Matcher>, tls_options: TlsOptions, limit: Duration) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        // Shared out between a host's addresses, so that a dead one leaves time for the next.
        tcp.set_connect_timeout(Some(limit));
        Self(Arc::new(Shared { tcp, proxies, limit, tls_options, tls: OnceCell::new() }))
    }

    /// What a plain http request has to tell its proxy; through https the tunnel says it.
    pub(super) fn proxy_authorization(&self, uri: &Uri) -> Option<HeaderValue> {
        if uri.scheme() != Some(&Scheme::HTTP) {
            return None;
        }
        self.0.proxies.intercept(uri)?.basic_auth().cloned()
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Stream>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let shared = self.0.clone();
        async move { shared.connect(target).await }.boxed()
    }
}

impl Shared {
    async fn connect(&self, target: Uri) -> Result<Stream> {
        let host = target.host().unwrap_or_default().to_owned();
        let secure = target.scheme() == Some(&Scheme::HTTPS);
        let proxy = self.proxies.intercept(&target);
        let tcp = match &proxy {
            None => self.tcp(target).await?,
            Some(proxy) => self.through_proxy(proxy, target, secure).await?,
        };
        let stream = if secure { self.secure(tcp, &host).await? } else { MaybeHttpsStream::Http(tcp) };
        let proxied = !secure && proxy.is_some_and(|proxy| !is_socks(&proxy));
        Ok(Stream { stream, proxied, answered: Answered::default() })
    }

    async fn tcp(&self, target: Uri) -> Result<TokioIo<TcpStream>> {
        let what = format!("connecting to {}", authority(&target));
        let connecting = self.tcp.clone().call(target);
        within(self.limit, &what, connecting).await?.map_err(|error| {
            // The connector's own limit, which is shared out between a host's addresses.
            if timed_out(&error) { step_limit(&what, self.limit) } else { failed(&what, &error) }
        })
    }

    async fn through_proxy(&self, proxy: &Intercept, target: Uri, secure: bool) -> Result<TokioIo<TcpStream>> {
        let what = format!("connecting through the proxy {}", authority(proxy.uri()));
        if is_socks(proxy) {
            let mut socks = SocksV5::new(with_port(proxy.uri(), SOCKS_PORT)?, self.tcp.clone());
            if let Some((user, password)) = proxy.raw_auth() {
                socks = socks.with_auth(user.to_owned(), password.to_owned());
            }
            let target = with_port(&target, if secure { 443 } else { 80 })?;
            // The connection to the proxy, its greeting, and the proxy's own connection to the host.
            let limit = self.limit.saturating_mul(2);
            return within(limit, &what, socks.call(target)).await?.map_err(|error| failed(&what, &error));
        }
        if proxy.uri().scheme() != Some(&Scheme::HTTP) {
            let scheme = proxy.uri().scheme_str().unwrap_or_default();
            return Err(Error::unsupported(format!(
                "{what}: {scheme} proxies are not supported, http and socks5 ones are"
            )));
        }
        if !secure {
            return self.tcp(proxy.uri().clone()).await;
        }
        let mut tunnel = Tunnel::new(proxy.uri().clone(), self.tcp.clone());
        if let Some(authorization) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(authorization.clone());
        }
        // Two steps: the connection to the proxy, and the proxy's own to the host.
        within(self.limit.saturating_mul(2), &what, tunnel.call(target)).await?.map_err(|error| failed(&what, &error))
    }

    async fn secure(&self, tcp: TokioIo<TcpStream>, host: &str) -> Result<MaybeHttpsStream<TokioIo<TcpStream>>> {
        let config = self.tls.get_or_try_init(|| client_config(&self.tls_options)).await?.clone();
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|error| Error::argument(format!("'{host}' is not a host name for TLS: {error}")))?;
        let handshake = TlsConnector::from(config).connect(name, TokioIo::new(tcp));
        let stream = within(self.limit, &format!("the TLS handshake with {host}"), handshake).await?;
        Ok(stream.map_err(|error| tls::handshake_error(&error, host))?.into())
    }
}

/// The proxies for requests with `proxy=`; an empty text is none at all.
///
/// # Errors
///
/// `Argument` for what is no proxy: it would else be taken for none, and the request go out directly.
pub(super) fn proxies(proxy: &str) -> Result<Matcher> {
    if proxy.is_empty() {
        return Ok(Matcher::builder().build());
    }
    let refused = || Error::argument("proxy= is a URL such as http://host:3128 or socks5://user:password@host:1080");
    let url = url::Url::parse(proxy).map_err(|_| refused())?;
    if url.host_str().is_none_or(str::is_empty) || !matches!(url.scheme(), "http" | "socks5" | "socks5h") {
        return Err(refused());
    }
    Ok(Matcher::builder().all(proxy).build())
}

fn is_socks(proxy: &Intercept) -> bool {
    matches!(proxy.uri().scheme_str(), Some("socks5" | "socks5h"))
}

/// The URI with its port written out: to a proxy the scheme does not say it.
fn with_port(uri: &Uri, port: u16) -> Result<Uri> {
    if uri.port().is_some() {
        return Ok(uri.clone());
    }
    let mut parts = uri.clone().into_parts();
    let authority = format!("{}:{port}", uri.host().unwrap_or_default());
    let refused = |_| Error::argument("a host that can't be asked for through a proxy");
    parts.authority = Some(authority.parse().map_err(refused)?);
    Uri::from_parts(parts).map_err(|_| Error::argument("a URL that can't be asked for through a proxy"))
}

/// The TLS configuration with what http adds: HTTP/2 where the server has it.
async fn client_config(options: &TlsOptions) -> Result<Arc<ClientConfig>> {
    let mut config = tls::client_config(options).await?.as_ref().clone();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Gives a step at most `limit`.
async fn within<T>(limit: Duration, what: &str, step: impl Future<Output = T>) -> Result<T> {
    tokio::time::timeout(limit, step).await.map_err(|_| step_limit(what, limit))
}

/// The error of a step that took longer than its limit.
pub(super) fn step_limit(what: &str, limit: Duration) -> Error {
    let seconds = limit.as_secs_f64();
    Error::timeout(format!("{what} took longer than {seconds} s, the time limit for each step (connect)"))
}

fn failed(what: &str, error: &(dyn StdError + 'static)) -> Error {
    Error::network(format!("{what} failed: {}", in_words(error)))
}

/// Whether something took too long.
fn timed_out(error: &(dyn StdError + 'static)) -> bool {
    let inner = error.source().is_some_and(timed_out);
    inner || error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

/// Host and port; never the user name and password that a proxy's URL may hold.
fn authority(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    uri.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether a connection ever brought an answer. If so, it came out of the pool when the next request fails on it, and
/// the server may simply have closed it between the two.
#[derive(Clone, Debug, Default)]
pub(super) struct Answered(Arc<AtomicBool>);

impl Answered {
    /// Notes that an answer came; says whether one had come before.
    pub(super) fn set(&self) -> bool {
        self.0.swap(true, Ordering::Relaxed)
    }

    /// Whether an answer came.
    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// One connection, with or without TLS.
pub(super) struct Stream {
    stream: MaybeHttpsStream<TokioIo<TcpStream>>,
    proxied: bool,
    answered: Answered,
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.proxied).extra(self.answered.clone())
    }
}

impl Read for Stream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buf)
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }
}
