//! The http client of a process: connections that are kept and reused, and one request with its redirects.

use super::address::{redirect_target, request_uri, same_host};
use super::connect::{Answered, Connector, proxies, step_limit};
use super::failure::{Failure, is_parse, request_error, retry_after, status_error};
use super::lanes::{Lanes, Load};
use super::request::{ByteRange, Headers, Request};
use super::response::{Limits, Response};
use crate::io::location::display_url;
use crate::io::tls::TlsOptions;
use crate::{Error, Remote, Result};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::header::{LOCATION, PROXY_AUTHORIZATION};
use hyper::http::Extensions;
use hyper::http::uri::Scheme;
use hyper_util::client::legacy::connect::capture_connection;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::field::{self, display};
use tracing::{Instrument, Span};
use url::Url;

/// Redirects that are followed for one request.
const MAX_REDIRECTS: usize = 10;
/// The largest read from a socket, and with it the largest head of an answer over HTTP/1.
const READ_BYTES: usize = 512 << 10;
/// What a server may send ahead of us reading it over HTTP/2, for one body. All on one connection may have thirty-two times
/// that, so that bodies which wait for memory don't keep those from arriving that would give some back.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 32 * STREAM_WINDOW;
/// How many idle connections are kept for each host, and how long: shorter than servers commonly keep theirs.
const IDLE_CONNECTIONS: usize = 32;
const IDLE_TIME: Duration = Duration::from_secs(50);
/// How many pools are kept that nothing is asked of at the moment: whoever sets another time limit each time would else fill the memory.
const MOST_POOLS: usize = 32;

type Library = Client<Connector, Empty<Bytes>>;
type Answer = hyper::Response<Incoming>;

/// Gets things over http and https. One serves a whole engine; it is cheap to make and reads nothing before the first request.
///
/// Its connections live in the Tokio runtime that the requests are made in.
pub(crate) struct HttpClient {
    proxies: Arc<Matcher>,
    pools: Mutex<HashMap<PoolKey, Arc<Pool>>>,
}

/// What connections have to agree in to serve each other's requests: certificates, proxy, and time limit of a step.
type PoolKey = (TlsOptions, Option<String>, Duration);

/// The connections that share certificates and time limit.
struct Pool {
    connector: Connector,
    kept: Lanes<Library>,
    /// Never reuses a connection: for the second attempt after a kept one turned out to be closed.
    fresh: Library,
}

impl Default for HttpClient {
    fn default() -> Self {
        Self::new()
    }
}

impl HttpClient {
    /// A client without connections; the proxy variables of the environment are read now.
    pub(crate) fn new() -> Self {
        Self::with_proxies(Matcher::from_env())
    }

    /// A client with these proxies, whatever the environment says.
    pub(super) fn with_proxies(proxies: Matcher) -> Self {
        Self { proxies: Arc::new(proxies), pools: Mutex::default() }
    }

    /// Asks for a file or a range of it, follows redirects, and returns once the head of a good answer (2xx) is there.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Status`](crate::ErrorKind::Status) for any other answer and for a redirect that is not followed;
    /// `Argument` for a URL or header that can't be sent; `Network`, `Timeout`, `Corrupt` for what the connection does.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the request.
    #[cfg(test)]
    pub(crate) async fn get(
        &self,
        url: &Url,
        range: Option<ByteRange>,
        if_range: Option<&str>,
        remote: &Remote,
    ) -> Result<Response> {
        let request = Request { range, if_range, ..Request::new(url, remote, &crate::io::traffic::FREE) };
        self.try_get(&request, deadline(remote)).await.map_err(|failure| failure.error)
    }

    /// [`HttpClient::get`] with a deadline that several requests share, and errors that say when to try again.
    pub(super) async fn try_get(&self, request: &Request<'_>, deadline: Option<Instant>) -> Result<Response, Failure> {
        let limits = Limits { idle: request.remote.timeout.idle, deadline };
        let span = span(request);
        let following = Box::pin(self.follow(request, limits, &span).instrument(span.clone()));
        let answer = match deadline {
            None => following.await,
            Some(deadline) => timeout_at(deadline, following).await.unwrap_or_else(|_| Err(total_limit().into())),
        };
        answer.map_err(|failure| {
            span.record("error", display(&failure.error));
            failure.in_file(&display_url(request.url))
        })
    }

    async fn follow(&self, request: &Request<'_>, limits: Limits, span: &Span) -> Result<Response, Failure> {
        let pool = self.pool(request.remote)?;
        let limit = request.remote.timeout.connect;
        let mut headers = Headers::new(request)?;
        let mut url = request.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let asked = request.traffic.permission(&url).await;
            let expected = match &request.range {
                Some(ByteRange::Part(range)) => Some(range.end.saturating_sub(range.start)),
                _ => None,
            };
            let (answer, load) = match pool.send(&url, &headers, expected, limit).await {
                Ok(Sent { answer, reused, load }) => {
                    let retry_after = retry_after(answer.headers(), SystemTime::now());
                    request.traffic.answered(asked, answer.status().as_u16(), retry_after, reused);
                    (answer, load)
                }
                Err(error) => {
                    request.traffic.failed(asked);
                    return Err(error.into());
                }
            };
            let status = answer.status();
            span.record("status", status.as_u16());
            tracing::debug!(url = %display_url(&url), range = ?request.range, %status, "http");
            let moved = if url == *request.url { String::new() } else { format!(" at {}", display_url(&url)) };
            if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                if !status.is_success() {
                    return Err(Failure::status(status, answer.headers(), &moved));
                }
                return Ok(Response::new(answer, url, display_url(request.url), limits, span.clone(), load));
            }
            let target = redirect_target(&url, answer.headers().get(LOCATION))
                .map_err(|reason| status_error(status, &format!("the server redirects ({status}){moved} {reason}")))?;
            if !same_host(&url, &target) {
                headers.leave_host();
            }
            url = target;
        }
        let last = hyper::StatusCode::FOUND;
        Err(status_error(last, &format!("more than {MAX_REDIRECTS} redirects, the last to {}", display_url(&url)))
            .into())
    }

    fn pool(&self, remote: &Remote) -> Result<Arc<Pool>> {
        let key = (TlsOptions::of(remote), remote.proxy.clone(), remote.timeout.connect);
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = pools.get(&key) {
            return Ok(pool.clone());
        }
        let proxies = match &remote.proxy {
            Some(proxy) => Arc::new(proxies(proxy)?),
            None => self.proxies.clone(),
        };
        let pool = Arc::new(Pool::new(proxies, TlsOptions::of(remote), remote.timeout.connect));
        if pools.len() >= MOST_POOLS {
            pools.retain(|_, pool| Arc::strong_count(pool) > 1);
        }
        pools.insert(key, pool.clone());
        Ok(pool)
    }
}

impl Pool {
    fn new(proxies: Arc<Matcher>, tls_options: TlsOptions, limit: Duration) -> Self {
        let connector = Connector::new(proxies, tls_options, limit);
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .http1_max_buf_size(READ_BYTES)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            // A connection that is dead without having said so has to be found out before a request on it runs into its limit: the next
            // attempt would be made on the same one.
            .http2_keep_alive_interval(limit / 3)
            .http2_keep_alive_timeout(limit / 3);
        let kept = Lanes::new(|| builder.build(connector.clone()));
        let fresh = builder.pool_max_idle_per_host(0).build(connector.clone());
        Self { connector, kept, fresh }
    }

    /// Sends one request, to which so many bytes are the answer if that is known. A kept connection that the server closed in the meantime
    /// costs one more attempt, on a new one.
    async fn send(&self, url: &Url, headers: &Headers, expected: Option<u64>, limit: Duration) -> Result<Sent> {
        let uri = request_uri(url)?;
        let mut headers = headers.to_map();
        if let Some(value) = self.connector.proxy_authorization(&uri) {
            headers.insert(PROXY_AUTHORIZATION, value);
        }
        let host = url.host_str().unwrap_or_default();
        let request = || {
            let mut request = hyper::Request::new(Empty::new());
            uri.clone_into(request.uri_mut());
            headers.clone_into(request.headers_mut());
            request
        };
        // Without TLS nobody speaks HTTP/2, and each request has a connection to itself.
        let (kept, load) = match uri.authority() {
            Some(authority) if uri.scheme() == Some(&Scheme::HTTPS) => {
                let (client, load) = self.kept.choose(authority.as_str(), expected);
                (client, Some(load))
            }
            _ => (self.kept.first(), None),
        };
        let first = answer(kept, request(), host, limit).await?;
        let second = match first {
            Err(error) if is_stale(&error) => answer(&self.fresh, request(), host, limit).await?,
            first => first,
        };
        let (answer, reused) = second.map_err(|error| request_error(&error, host))?;
        Ok(Sent { answer, reused, load })
    }
}

/// What a request brought.
struct Sent {
    answer: Answer,
    /// Whether the connection had served before.
    reused: bool,
    /// To be kept as long as the body comes.
    load: Option<Load>,
}

/// The span of a request, from here to the end of its body.
fn span(request: &Request<'_>) -> Span {
    tracing::debug_span!(
        "request",
        url = %display_url(request.url),
        range = request.range.as_ref().map(display),
        attempt = request.attempt,
        status = field::Empty,
        bytes = field::Empty,
        error = field::Empty,
    )
}

/// Waits for the head of an answer, and says whether the connection had served before.
/// The connector limits its own steps; here the time runs from the connection on.
async fn answer(
    library: &Library,
    mut request: hyper::Request<Empty<Bytes>>,
    host: &str,
    limit: Duration,
) -> Result<Result<(Answer, bool), ClientError>> {
    let mut connection = capture_connection(&mut request);
    let waiting = async {
        // Proxy, tunnel and TLS are three steps; only another request's connection that never comes lasts longer.
        let _ = timeout(limit.saturating_mul(4), connection.wait_for_connection_metadata()).await;
        sleep(limit).await;
    };
    let answer = tokio::select! {
        biased;
        answer = library.request(request) => answer,
        () = waiting => return Err(step_limit(&format!("waiting for the answer of {host}"), limit)),
    };
    Ok(answer.map(|answer| {
        let reused = answer.extensions().get::<Answered>().is_some_and(Answered::set);
        (answer, reused)
    }))
}

/// Whether the request failed on a connection that had served before: the server closed it, and a new one may do.
fn is_stale(error: &ClientError) -> bool {
    let mut extensions = Extensions::new();
    if let Some(connection) = error.connect_info() {
        connection.get_extras(&mut extensions);
    }
    extensions.get::<Answered>().is_some_and(Answered::get) && !is_parse(error)
}

/// When the whole transfer has to be done.
pub(super) fn deadline(remote: &Remote) -> Option<Instant> {
    remote.timeout.total.and_then(|total| Instant::now().checked_add(total))
}

/// The error of a transfer that isn't done at its deadline.
pub(super) fn total_limit() -> Error {
    Error::timeout("the transfer took longer than its time limit (total)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_that_nobody_uses_are_not_kept_for_ever() {
        let client = HttpClient::with_proxies(Matcher::builder().build());
        let pool = |seconds| {
            let timeout = crate::Timeout { connect: Duration::from_secs(seconds), ..crate::Timeout::default() };
            client.pool(&Remote { timeout, ..Remote::default() }).unwrap()
        };
        let used = pool(1);
        for seconds in 2..200 {
            pool(seconds);
        }
        assert!(client.pools.lock().unwrap().len() <= MOST_POOLS);
        assert!(Arc::ptr_eq(&used, &pool(1)) && Arc::ptr_eq(&pool(199), &pool(199)));
    }
}
