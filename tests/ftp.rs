//! FTP and FTPS: a complete server by other hands, and one with every fault in turn.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::time::Duration;

use common::*;
use rustfits::{Error, ErrorKind, FitsReader, OpenOptions, Timeout};
use rustfits_loopback::{Authority, CertificateKind, FtpFault, FtpOptions, FtpServer, ScriptedFtpServer};
use tempfile::TempDir;

/// A directory with a file, plain and gzipped, also below.
fn files() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("sub dir")).unwrap();
    for name in ["a.fits", "sub dir/\u{e9}.fits"] {
        std::fs::write(directory.path().join(name), sample()).unwrap();
    }
    std::fs::write(directory.path().join("a.fits.gz"), gzip(&sample())).unwrap();
    directory
}

fn complete(directory: &TempDir) -> FtpServer {
    FtpOptions::new().root(directory.path()).start()
}

fn scripted(faults: &[FtpFault]) -> ScriptedFtpServer {
    let server = ScriptedFtpServer::start(faults);
    server.put("/a.fits", sample());
    server
}

/// Limits that a step which works keeps to on a busy machine, too.
fn patient() -> OpenOptions {
    with_remote(|remote| remote.timeout = limits(1500))
}

/// The error of an open that must not hang; it names the URL.
fn refused(url: &str, options: OpenOptions) -> Error {
    let name = url.to_owned();
    let error = promptly(move || failure(FitsReader::open_with(name, options).wait()));
    assert_eq!(error.file(), Some(url), "{error:?}");
    error
}

#[test]
fn whole_files_from_a_complete_server() {
    let directory = files();
    let server = complete(&directory);
    let url = server.url("/a.fits");
    assert_sample(&FitsReader::open(&url).wait().unwrap());
    assert_sample(&block_on(FitsReader::open(&url)).unwrap());
    assert_sample(&rustfits::blocking::FitsReader::open(&url).unwrap().into_async());
    let fits = FitsReader::open(server.url("/a.fits.gz")).wait().unwrap();
    assert_sample(&fits);
    assert_eq!(fits.name(), server.url("/a.fits.gz"));
    assert_sample(&FitsReader::open(server.url("/sub%20dir/%C3%A9.fits")).wait().unwrap());
    assert_sample(&FitsReader::open(server.url("/a.fits;type=i")).wait().unwrap());
    let error = refused(&server.url("/none.fits"), OpenOptions::default());
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
}

#[test]
fn ftps_encrypts_control_and_data() {
    let (directory, authority) = (files(), Authority::new());
    let pem = directory.path().join("ca.pem");
    authority.write_pem(&pem);
    let server = FtpOptions::new().root(directory.path()).tls(&authority, CertificateKind::Right).start();
    let options = with_remote(|remote| remote.ca_file = Some(pem));
    assert_sample(&FitsReader::open_with(server.url("/a.fits"), options.clone()).wait().unwrap());
    assert_sample(&FitsReader::open_with(server.url("/a.fits.gz"), options).wait().unwrap());
    let error = refused(&server.url("/a.fits"), OpenOptions::default());
    assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
    assert_says(&error, &["SSL_CERT_FILE", "ca_file"]);
}

#[test]
fn ftps_refuses_other_certificates_before_it_logs_in() {
    for kind in [CertificateKind::WrongHost, CertificateKind::Expired] {
        let (directory, authority) = (files(), Authority::new());
        let pem = directory.path().join("ca.pem");
        authority.write_pem(&pem);
        let options = with_remote(|remote| remote.ca_file = Some(pem));
        let server = FtpOptions::new().tls(&authority, kind).start_scripted(&[]);
        let error = refused(&server.url("/a.fits"), options);
        assert_eq!(error.kind(), ErrorKind::Io, "{kind:?}: {error:?}");
        assert!(!server.commands().iter().any(|command| command.starts_with("USER")), "{:?}", server.commands());
    }
    // A server without TLS never gets the password in the clear.
    let plain = FtpOptions::new().user("user", "hidden").start_scripted(&[]);
    let url = plain.url("/a.fits").replace("ftp://", "ftps://user:hidden@");
    let error = promptly(move || failure(FitsReader::open(url).wait()));
    assert!(!error.to_string().contains("hidden"), "{error}");
    assert!(!plain.commands().iter().any(|command| command.starts_with("PASS")), "{:?}", plain.commands());
}

#[test]
fn a_user_and_a_password() {
    let directory = files();
    let server = FtpOptions::new().root(directory.path()).user("us er", "hid/den@").start();
    let login = |login: &str| server.url("/a.fits").replacen("://", &format!("://{login}@"), 1);
    let fits = FitsReader::open(login("us%20er:hid%2Fden%40")).wait().unwrap();
    assert_sample(&fits);
    assert_eq!(fits.name(), server.url("/a.fits"));
    for url in [login("us%20er:wrong"), server.url("/a.fits")] {
        let error = promptly(move || failure(FitsReader::open(url).wait()));
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
        assert!(!error.to_string().contains("wrong") && !error.to_string().contains("us er"), "{error}");
    }
}

#[test]
fn a_server_that_behaves_gets_the_commands_that_are_needed() {
    let server = scripted(&[]);
    assert_sample(&FitsReader::open(server.url("/a.fits")).wait().unwrap());
    let commands = server.commands();
    let verbs: Vec<&str> = commands.iter().map(|command| command.split(' ').next().unwrap()).collect();
    for verb in ["USER", "PASS", "TYPE", "SIZE", "EPSV", "RETR"] {
        assert_eq!(verbs.iter().filter(|known| **known == verb).count(), 1, "{commands:?}");
    }
    assert!(!verbs.contains(&"PASV"), "{commands:?}");
    eventually("the connections are closed", || server.connections().open == 0 && server.data_connections().open == 0);
}

#[test]
fn faults_that_have_a_way_around() {
    for (faults, passive) in [
        (&[FtpFault::EpsvRefused][..], true),
        (&[FtpFault::EpsvMalformed], true),
        (&[FtpFault::EpsvBlocked], true),
        (&[FtpFault::EpsvClosed], true),
        (&[FtpFault::PasvPrivate], true),
        (&[FtpFault::EpsvRefused, FtpFault::SizeUnsupported], true),
        (&[FtpFault::SizeUnsupported], false),
        (&[FtpFault::RestUnsupported], false),
    ] {
        let server = scripted(faults);
        let url = server.url("/a.fits");
        let fits = promptly(move || FitsReader::open_with(url, patient()).wait());
        assert_sample(&fits.unwrap_or_else(|error| panic!("{faults:?}: {error}")));
        assert_eq!(server.commands().iter().any(|command| command == "PASV"), passive, "{faults:?}");
    }
}

/// A server with a fault that no further attempt gets around.
fn failing(fault: FtpFault) -> ScriptedFtpServer {
    match fault {
        FtpFault::Busy => FtpOptions::new().reply("GREETING", "421 Too many users.").start_scripted(&[]),
        fault => scripted(&[fault, FtpFault::RestUnsupported]),
    }
}

#[test]
fn every_fault_has_its_kind_and_says_what_the_server_said() {
    use FtpFault::*;
    for (fault, kind, words) in [
        (GreetingMissing, ErrorKind::Timeout, &["greeting", "300ms"][..]),
        (Busy, ErrorKind::Network, &["421", "Too many users"]),
        (LoginRefused, ErrorKind::PermissionDenied, &["530", "Members only"]),
        (FileMissing, ErrorKind::NotFound, &["550", "The tape is in the vault"]),
        (PasvMalformed, ErrorKind::Network, &["PASV", "127,0,0,1,999"]),
        (DataNeverOpens, ErrorKind::Timeout, &["data connection", "300ms"]),
        (DataSilent, ErrorKind::Timeout, &["receiving", "300ms"]),
        (DataStall, ErrorKind::Timeout, &["receiving", "300ms"]),
        (DataCut, ErrorKind::Network, &["426", "The tape broke"]),
        (DataShort, ErrorKind::Network, &["ended at"]),
        (Surplus, ErrorKind::Io, &["more than"]),
        (CompletionMissing, ErrorKind::Timeout, &["confirmed"]),
        (ControlDropped, ErrorKind::Network, &["ended at"]),
        (SizeWrong, ErrorKind::Network, &["ended at"]),
    ] {
        let server = failing(fault);
        let error = refused(&server.url("/a.fits"), impatient());
        assert_eq!(error.kind(), kind, "{fault:?}: {error:?}");
        assert_says(&error, words);
        eventually("the connections are closed", || {
            server.connections().open == 0 && server.data_connections().open == 0
        });
    }
}

#[test]
fn a_reply_without_end_is_cut_off() {
    let server = scripted(&[FtpFault::EndlessReply]);
    let error = refused(&server.url("/a.fits"), impatient());
    assert!(matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Network | ErrorKind::Corrupt), "{error:?}");
    assert!(error.to_string().len() < 1000, "{}", error.to_string().len());
    eventually("the connection is closed", || server.connections().open == 0);
}

#[test]
fn transient_faults_are_told_from_lasting_ones() {
    for (fault, transient) in [
        (FtpFault::Busy, true),
        (FtpFault::DataCut, true),
        (FtpFault::FileMissing, false),
        (FtpFault::LoginRefused, false),
        (FtpFault::Surplus, false),
    ] {
        let server = failing(fault);
        assert_eq!(refused(&server.url("/a.fits"), patient()).is_transient(), transient, "{fault:?}");
        // A plain open makes three attempts; one that REST is refused to needs another connection.
        let connections = server.connections().accepted;
        let expected = match fault {
            FtpFault::DataCut => 5,
            _ if transient => 3,
            _ => 1,
        };
        assert_eq!(connections, expected, "{fault:?}");
    }
}

#[test]
fn a_file_without_a_size_that_ends_early_is_found_out() {
    // Without SIZE and with a server that says that all is well, only the content can tell.
    let server = scripted(&[FtpFault::SizeUnsupported, FtpFault::DataShort]);
    let fits = FitsReader::open(server.url("/a.fits")).wait().unwrap();
    assert_eq!(failure(fits.image(-1).read::<f64>().wait()).kind(), ErrorKind::Truncated);
    let server = scripted(&[FtpFault::SizeUnsupported, FtpFault::DataCut]);
    let error = refused(&server.url("/a.fits"), patient());
    assert_eq!(error.kind(), ErrorKind::Network, "{error:?}");
    assert_says(&error, &["The tape broke"]);
}

#[test]
fn the_total_time_is_limited() {
    let server = scripted(&[FtpFault::DataStall]);
    let total = Some(Duration::from_millis(300));
    let options = with_remote(|remote| remote.timeout = Timeout { total, ..Timeout::default() });
    let error = refused(&server.url("/a.fits"), options);
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    assert_says(&error, &["total"]);
}

#[test]
fn no_message_shows_a_credential() {
    for fault in FtpFault::ALL {
        let server = FtpOptions::new().user("user-x", "hidden").start_scripted(&[fault]);
        server.put("/a.fits", sample());
        let url = server.url("/a.fits").replacen("://", "://user-x:hidden@", 1);
        let opened = promptly(move || FitsReader::open_with(url, impatient()).wait());
        let shown = match opened {
            Ok(fits) => format!("{fits:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        assert!(!shown.contains("hidden") && !shown.contains("user-x"), "{fault:?}: {shown}");
    }
}

#[test]
fn options_that_ftp_has_not_are_refused_before_any_connection() {
    let server = scripted(&[]);
    let headers = with_remote(|remote| remote.headers = vec![("X-A".into(), "b".into())]);
    for options in [headers, ranged()] {
        assert_eq!(refused(&server.url("/a.fits"), options).kind(), ErrorKind::Argument);
    }
    for path in ["/a.fits%0D%0ADELE%20b", "/", "/dir/", "/a%00.fits"] {
        assert_eq!(failure(FitsReader::open(server.url(path)).wait()).kind(), ErrorKind::Argument, "{path}");
    }
    let limit = with_remote(|remote| remote.max_bytes = Some(1000));
    assert_eq!(server.connections().accepted, 0);
    assert_eq!(refused(&server.url("/a.fits"), limit).kind(), ErrorKind::TooLarge);
}

#[test]
fn sixteen_at_once() {
    let directory = files();
    let server = complete(&directory);
    let opens = (0..16).map(|_| FitsReader::open(server.url("/a.fits")));
    let opened = block_on(futures_util::future::join_all(opens));
    opened.into_iter().for_each(|fits| assert_sample(&fits.unwrap()));
}

#[test]
fn a_server_whose_extended_ports_are_blocked_is_asked_for_the_other_kind_at_once() {
    let server = scripted(&[FtpFault::EpsvClosed]);
    let commands = || {
        server.clear_log();
        assert_sample(&FitsReader::open_with(server.url("/a.fits"), patient()).wait().unwrap());
        let ways = |command: &String| ["EPSV", "PASV"].contains(&command.as_str());
        server.commands().into_iter().filter(ways).collect::<Vec<_>>()
    };
    assert_eq!(commands(), ["EPSV", "PASV"]);
    assert_eq!(commands(), ["PASV"]);
}
