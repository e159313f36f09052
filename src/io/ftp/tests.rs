mod download;
mod secure;
mod server;

use std::time::Duration;

use tracing::Span;
use url::Url;

use super::FtpTransfer;
use super::limits::deadline;
use crate::{Error, ErrorKind, Remote, RemoteMode, Result, Timeout};
use server::{CLOSE, SILENCE, Script, Server};

/// A body larger than any buffer on the way.
fn sample() -> Vec<u8> {
    (0..3_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn remote() -> Remote {
    let second = Duration::from_secs(5);
    Remote { timeout: Timeout { connect: second, idle: second, total: None }, ..Remote::default() }
}

async fn fetch(url: &str, remote: &Remote, start: u64) -> Result<Vec<u8>> {
    let mut transfer =
        FtpTransfer::open(&Url::parse(url).unwrap(), remote, start, deadline(remote.timeout), Span::none()).await?;
    let mut bytes = Vec::new();
    loop {
        match transfer.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => {
                let again = transfer.chunk().await.expect_err("a failed transfer must not end well");
                assert_eq!(again.kind(), error.kind());
                return Err(error);
            }
        }
    }
    assert!(transfer.chunk().await.unwrap().is_none());
    Ok(bytes)
}

/// Downloads from a server with a script, and tells which commands it got.
async fn run(script: Script, login: &str, path: &str, start: u64) -> (Result<Vec<u8>>, Vec<String>) {
    let server = Server::start(script).await;
    let url = format!("ftp://{login}{}/{path}", server.address);
    let result = fetch(&url, &remote(), start).await;
    if let Err(error) = &result {
        assert!(error.file().unwrap().starts_with("ftp://127.0.0.1:"), "{error:?}");
    }
    (result, server.commands())
}

async fn failure(script: Script) -> Error {
    run(script, "", "a.fits", 0).await.0.unwrap_err()
}

#[tokio::test]
async fn a_file_is_downloaded_anonymously_in_binary() {
    let (result, commands) = run(Script::new(sample()), "", "dir/a%20b.fits", 0).await;
    assert!(result.unwrap() == sample());
    let expected = ["USER anonymous", "PASS rustfits@", "TYPE I", "SIZE dir/a b.fits", "EPSV", "RETR dir/a b.fits"];
    assert_eq!(commands, expected);
    let (result, _) = run(Script::new([]), "", "empty", 0).await;
    assert!(result.unwrap().is_empty());
}

#[tokio::test]
async fn login_and_path_are_decoded_to_bytes() {
    let (result, commands) = run(Script::new("x"), "me%40home:p%3Aw%C3%A9@", "%2Fabs/%FFname;type=i?q=%41#x", 0).await;
    assert_eq!(result.unwrap(), b"x");
    assert_eq!(commands[..2], ["USER me@home", "PASS p:w\u{c3}\u{a9}"]);
    // The one byte 255 is sent twice, as Telnet demands.
    assert_eq!(commands.last().unwrap(), "RETR /abs/\u{ff}\u{ff}name?q=A");
    let (_, commands) = run(Script::new("x").reply("USER", "230 no password needed"), "", "/b.fits;type=i", 0).await;
    assert_eq!(commands[0..2], ["USER anonymous", "TYPE I"]);
    assert_eq!(commands.last().unwrap(), "RETR /b.fits");
}

#[tokio::test]
async fn pasv_follows_where_epsv_fails_and_its_address_is_ignored() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for epsv in ["500 what?".to_owned(), "229 nonsense".to_owned(), "425 no".to_owned(), format!("229 (|||{closed}|)")]
    {
        let (result, commands) = run(Script::new(sample()).reply("EPSV", epsv), "", "a", 10).await;
        assert!(result.unwrap() == sample()[10..]);
        assert_eq!(commands[4..], ["EPSV", "PASV", "REST 10", "RETR a"]);
    }
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn pasv_follows_where_nothing_answers_on_the_port_of_epsv() {
    // A full queue of unaccepted connections lets further ones wait for ever.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(0).unwrap();
    let address = full.local_addr().unwrap();
    let mut queued = Vec::new();
    let connect = || tokio::time::timeout(Duration::from_millis(200), tokio::net::TcpStream::connect(address));
    while let Ok(connection) = connect().await {
        queued.push(connection.unwrap());
    }
    let server = Server::start(Script::new("abc").reply("EPSV", format!("229 (|||{}|)", address.port()))).await;
    let mut remote = remote();
    remote.timeout.connect = Duration::from_millis(300);
    assert_eq!(fetch(&format!("ftp://{}/a", server.address), &remote, 0).await.unwrap(), b"abc");
    assert!(server.commands().contains(&"PASV".to_owned()));
}

#[tokio::test]
async fn a_server_that_knows_no_size_is_believed() {
    for size in ["500 what?", "550 not in this mode", "213 many"] {
        let (result, _) = run(Script::new(sample()).reply("SIZE", size), "", "a", 0).await;
        assert!(result.unwrap() == sample());
    }
    let server = Server::start(Script::new("abc")).await;
    let url = Url::parse(&format!("ftp://{}/a", server.address)).unwrap();
    assert_eq!(FtpTransfer::open(&url, &remote(), 1, None, Span::none()).await.unwrap().length(), Some(3));
}

#[tokio::test]
async fn resuming() {
    let (result, commands) = run(Script::new("abcdef"), "", "a", 4).await;
    assert_eq!(result.unwrap(), b"ef");
    assert_eq!(commands[4..], ["EPSV", "REST 4", "RETR a"]);
    assert!(run(Script::new("abc"), "", "a", 3).await.0.unwrap().is_empty());
    let refused = run(Script::new("abc").reply("REST", "502 no"), "", "a", 1).await.0.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    let changed = run(Script::new("abc"), "", "a", 4).await.0.unwrap_err();
    assert!(!changed.is_transient() && changed.to_string().contains("changed on the server"));
    let surplus = Script { surplus: b"x".to_vec(), ..Script::new("abc") };
    assert_eq!(run(surplus, "", "a", 2).await.0.unwrap_err().kind(), ErrorKind::Io);
}

#[tokio::test]
async fn a_body_of_the_wrong_length_is_an_error() {
    for confirmation in ["226 done", "451 disk", CLOSE] {
        let script = Script { cut: 2_000_000, confirmation: confirmation.to_owned(), ..Script::new(sample()) };
        let error = failure(script).await;
        assert!(error.is_transient() && error.to_string().contains("ended at 2000000 of 3000000"), "{error}");
        assert_eq!(error.to_string().contains("451 disk"), confirmation == "451 disk");
    }
    let error = failure(Script { surplus: b"more".to_vec(), ..Script::new(sample()) }).await;
    assert!(!error.is_transient() && error.to_string().contains("3000000"), "{error}");
}

#[tokio::test]
async fn a_transfer_without_confirmation_is_an_error() {
    for (confirmation, transient) in [(CLOSE, true), ("426 broke", true), ("451 disk", true), ("552 quota", false)] {
        let error = failure(Script { confirmation: confirmation.to_owned(), ..Script::new("abc") }).await;
        assert_eq!(error.is_transient(), transient, "{error}");
    }
    assert!(run(Script { confirmation: "250 ok".to_owned(), ..Script::new("abc") }, "", "a", 0).await.0.is_ok());
}

#[tokio::test]
async fn refusals_keep_the_text_of_the_server() {
    for (verb, reply, kind) in [
        ("RETR", "550 a.fits: No such file", ErrorKind::NotFound),
        ("RETR", "450 busy now", ErrorKind::Network),
        ("RETR", "553 not that name", ErrorKind::Io),
        ("PASS", "530 Login incorrect", ErrorKind::PermissionDenied),
        ("USER", "530-No\r\n530 anonymous users", ErrorKind::PermissionDenied),
        ("", "421 too many users", ErrorKind::Network),
        ("TYPE", "504 no", ErrorKind::Io),
    ] {
        let error = failure(Script::new("abc").reply(verb, reply)).await;
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(&reply.replace("\r\n", " ")), "{error}");
    }
    for verb in ["", "USER", "PASS", "TYPE", "SIZE", "EPSV", "RETR"] {
        let error = failure(Script::new("abc").reply(verb, CLOSE)).await;
        assert!(error.is_transient() && error.to_string().contains("closed the connection"), "{verb}: {error}");
    }
    let both = failure(Script::new("abc").reply("EPSV", "500 what?").reply("PASV", "425 no port")).await;
    assert!(both.to_string().contains("425 no port") && both.to_string().contains("500 what?"), "{both}");
    for nonsense in ["", "x", "abc hello", "22"] {
        assert!(failure(Script::new("abc").reply("", nonsense)).await.is_transient(), "{nonsense:?}");
    }
}

#[tokio::test]
async fn credentials_are_in_no_error() {
    let script = Script::new("abc").reply("PASS", "530 wrong: hidden%user / hid\u{e9}den");
    let error = run(script, "hidden%25user:hid%C3%A9den@", "a", 0).await.0.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(!format!("{error} {error:?}").contains("hid"), "{error}");
    assert!(error.to_string().contains("530 wrong: *** / ***"), "{error}");
}

#[tokio::test]
async fn every_silence_has_a_limit() {
    let mut remote = remote();
    remote.timeout.connect = Duration::from_millis(100);
    for verb in ["", "USER", "PASS", "TYPE", "SIZE", "EPSV", "REST", "RETR"] {
        let server = Server::start(Script::new("abc").reply(verb, SILENCE)).await;
        let error = fetch(&format!("ftp://{}/a", server.address), &remote, 1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{verb}: {error}");
    }
    remote.timeout.idle = Duration::from_millis(100);
    let silent_end = Script { confirmation: SILENCE.to_owned(), ..Script::new("abc") };
    for script in [Script { stall: true, ..Script::new("abc") }, silent_end] {
        let server = Server::start(script).await;
        let error = fetch(&format!("ftp://{}/a", server.address), &remote, 0).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Timeout && error.is_transient(), "{error}");
    }
}

#[tokio::test]
async fn the_whole_transfer_has_a_limit() {
    let mut remote = remote();
    remote.timeout.total = Some(Duration::from_millis(200));
    for script in [Script { stall: true, ..Script::new("abc") }, Script::new("abc").reply("USER", SILENCE)] {
        let server = Server::start(script).await;
        let error = fetch(&format!("ftp://{}/a", server.address), &remote, 0).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Timeout && error.to_string().contains("total"), "{error}");
    }
    remote.timeout.total = Some(Duration::MAX);
    let server = Server::start(Script::new("abc")).await;
    assert_eq!(fetch(&format!("ftp://{}/a", server.address), &remote, 0).await.unwrap(), b"abc");
}

#[tokio::test]
async fn what_ftp_does_not_have_is_refused_without_a_connection() {
    let with_headers = Remote { headers: vec![("A".to_owned(), "b".to_owned())], ..Remote::default() };
    let ranged = Remote { mode: RemoteMode::Ranged, ..Remote::default() };
    for (remote, path) in
        [(with_headers, "a"), (ranged, "a"), (Remote::default(), "a%0D%0ADELE%20b"), (Remote::default(), "dir/")]
    {
        let error = fetch(&format!("ftp://nowhere.invalid/{path}"), &remote, 0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Argument, "{error}");
    }
    let refused = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(fetch(&format!("ftp://{refused}/a"), &remote(), 0).await.unwrap_err().is_transient());
}

#[tokio::test]
async fn dropping_a_transfer_closes_its_connections() {
    let server = Server::start(Script::new(vec![1; 100 << 20])).await;
    let url = Url::parse(&format!("ftp://{}/a", server.address)).unwrap();
    let mut transfer = FtpTransfer::open(&url, &remote(), 0, None, Span::none()).await.unwrap();
    assert!(transfer.chunk().await.unwrap().is_some());
    drop(transfer);
    tokio::time::timeout(Duration::from_secs(20), server.task).await.expect("the server sees the end").unwrap();
}
