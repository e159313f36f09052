//! Every reply to every step of an FTP download: the file comes, or the error that the reply stands for, after as many attempts as may help.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure here is a failed test")]

mod common;

use std::net::TcpListener;
use std::time::Duration;

use common::*;
use rustfits::{ErrorKind, FetchOutcome, Fetcher, OpenOptions};
use rustfits_loopback::{Authority, CertificateKind, FaultProxy, FtpFault, FtpOptions, FtpServer, WireFault};

/// The replies of RFC 959 and those that came later, and what is none; an empty one is the end of the connection.
const REPLIES: [&str; 37] = [
    "110", "120", "125", "150", "200", "202", "211", "220", "221", "226", "227", "229", "230", "250", "331", "332",
    "350", "421", "425", "426", "430", "450", "451", "452", "500", "501", "502", "503", "504", "522", "530", "532",
    "534", "550", "553", "999", "",
];
const STEPS: [&str; 10] = ["GREETING", "USER", "PASS", "TYPE", "SIZE", "EPSV", "PASV", "REST", "RETR", "END"];

#[derive(Debug, PartialEq)]
enum Expected {
    Comes,
    Fails(ErrorKind),
}

/// The error that a reply stands for where another was needed.
fn refusal(reply: &str) -> Expected {
    Expected::Fails(match reply {
        "332" | "430" | "530" | "532" => ErrorKind::PermissionDenied,
        "550" => ErrorKind::NotFound,
        _ if reply.starts_with('5') => ErrorKind::Io,
        _ => ErrorKind::Network,
    })
}

fn expected(step: &str, reply: &str) -> Expected {
    let good: &[&str] = match step {
        "GREETING" => &["220"],
        "USER" => &["331", "230"],
        "PASS" => &["230"],
        "TYPE" => &["200"],
        "END" => &["226", "250"],
        // The server says that it sends the file, and does not.
        "RETR" if ["125", "150"].contains(&reply) => return Expected::Fails(ErrorKind::Timeout),
        // Nobody needs it, while the connection lasts.
        "SIZE" if !reply.is_empty() => return Expected::Comes,
        // There is PASV, unless the server said goodbye.
        "EPSV" if !["421", ""].contains(&reply) => return Expected::Comes,
        // The file comes from its start where the server can't resume, also where it only says so.
        "REST" if ["350", "999"].contains(&reply) || refusal(reply) != Expected::Fails(ErrorKind::Network) => {
            return Expected::Comes;
        }
        _ => &[],
    };
    if good.contains(&reply) { Expected::Comes } else { refusal(reply) }
}

/// How many attempts are made with one retry.
fn attempts(step: &str, expected: &Expected) -> u32 {
    match expected {
        // The first one is cut, so that there is something to resume.
        _ if step == "REST" => 2,
        Expected::Fails(ErrorKind::Network | ErrorKind::Timeout) => 2,
        _ => 1,
    }
}

fn fetch(url: String, options: OpenOptions) -> FetchOutcome {
    let fetcher = Fetcher::builder().retries(1, Duration::from_millis(1)).open(options).build().unwrap();
    promptly(move || fetcher.fetch([url]).wait().next().unwrap())
}

fn check(name: &str, outcome: FetchOutcome, expected: &Expected, attempts: u32) {
    match (&outcome.result, expected) {
        (Ok(fits), Expected::Comes) => assert_sample(fits),
        (Err(error), Expected::Fails(kind)) => {
            assert_eq!(error.kind(), *kind, "{name}: {error}");
            assert!(error.to_string().contains("/a.fits") && !error.to_string().contains("hidden"), "{name}: {error}");
        }
        (result, _) => panic!("{name}: {expected:?} is not {result:?}"),
    }
    assert_eq!(outcome.attempts, attempts, "{name}");
}

fn one(step: &str, reply: &str) {
    let faults: &[FtpFault] = match step {
        "REST" => &[FtpFault::DataCutOnce],
        "PASV" => &[FtpFault::EpsvRefused],
        _ => &[],
    };
    let line = if reply.is_empty() { String::new() } else { format!("{reply} So it goes.") };
    let options = FtpOptions::new().user("ann", "hidden").reply(step, &line);
    let server = options.start_scripted(faults);
    server.put("/a.fits", sample());
    let url = server.url("/a.fits").replacen("://", "://ann:hidden@", 1);
    let name = format!("{step} {reply}");
    let expected = expected(step, reply);
    check(&name, fetch(url, impatient()), &expected, attempts(step, &expected));
    // Who is let in by USER sends no PASS, nor does who is turned away.
    let passed = server.commands().iter().any(|command| command.starts_with("PASS"));
    let early = step == "GREETING" || step == "USER";
    assert!(passed != early || (step, reply) == ("USER", "331") || (step, reply) == ("GREETING", "220"), "{name}");
    eventually(&name, || server.connections().open == 0 && server.data_connections().open == 0);
}

/// Runs all of these, some at a time.
fn side_by_side<T: Sync>(all: &[T], run: impl Fn(&T) + Sync) {
    std::thread::scope(|scope| {
        for part in 0..8 {
            let run = &run;
            scope.spawn(move || all.iter().skip(part).step_by(8).for_each(run));
        }
    });
}

#[test]
fn every_reply_to_every_step() {
    let all: Vec<_> = STEPS.iter().flat_map(|step| REPLIES.iter().map(move |reply| (*step, *reply))).collect();
    side_by_side(&all, |(step, reply)| one(step, reply));
}

#[test]
fn every_reply_to_the_steps_of_tls_and_no_login_without_it() {
    let authority = Authority::new();
    let directory = tempfile::tempdir().unwrap();
    let pem = directory.path().join("ca.pem");
    authority.write_pem(&pem);
    let steps = ["AUTH", "PBSZ", "PROT"];
    let replies = REPLIES.iter().filter(|reply| **reply != "200");
    let all: Vec<_> = replies.flat_map(|reply| steps.map(|step| (step, *reply))).collect();
    side_by_side(&all, |(step, reply)| {
        let line = if reply.is_empty() { String::new() } else { format!("{reply} So it goes.") };
        let options = FtpOptions::new().user("ann", "hidden").tls(&authority, CertificateKind::Right);
        let server = options.reply(step, &line).start_scripted(&[]);
        server.put("/a.fits", sample());
        let url = server.url("/a.fits").replacen("://", "://ann:hidden@", 1);
        let trusting = with_remote(|remote| {
            remote.ca_file = Some(pem.clone());
            remote.timeout = limits(5000);
        });
        let name = format!("{step} {reply}");
        let expected = refusal(reply);
        check(&name, fetch(url, trusting), &expected, attempts(step, &expected));
        assert!(!server.commands().iter().any(|command| command.starts_with("PASS") || command.starts_with("USER")));
        eventually(&name, || server.connections().open == 0);
    });
}

#[test]
fn a_data_connection_to_a_third_host_is_never_made() {
    let third = TcpListener::bind(("127.0.0.2", 0)).unwrap();
    third.set_nonblocking(true).unwrap();
    let port = third.local_addr().unwrap().port();
    let passive = format!("227 Entering Passive Mode (127,0,0,2,{},{})", port >> 8, port & 255);
    for extended in ["500 EPSV not understood.".to_owned(), format!("229 Extended (|1|127.0.0.2|{port}|)")] {
        let server = FtpOptions::new().reply("EPSV", &extended).reply("PASV", &passive).start_scripted(&[]);
        server.put("/a.fits", sample());
        check("third host", fetch(server.url("/a.fits"), impatient()), &Expected::Fails(ErrorKind::Network), 2);
        assert_eq!(server.data_connections().accepted, 0);
        assert!(third.accept().is_err(), "it connected");
    }
}

#[test]
fn a_conversation_that_breaks_anywhere_begins_anew() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a.fits"), sample()).unwrap();
    let server: FtpServer = FtpOptions::new().root(directory.path()).start();
    let places: Vec<u64> = (0..300).step_by(20).collect();
    side_by_side(&places, |&place| {
        for fault in [WireFault::Reset(place), WireFault::Close(place), WireFault::Stall(place)] {
            let proxy = FaultProxy::start(server.address(), vec![fault.clone()]);
            let url = proxy.through(&server.url("/a.fits"), server.address());
            let outcome = fetch(url, with_remote(|remote| remote.timeout = limits(1000)));
            assert_sample(outcome.result.as_ref().unwrap_or_else(|error| panic!("{fault:?}: {error}")));
            // Behind the last reply nothing is lost any more.
            assert_eq!(u64::from(outcome.attempts), proxy.connections().accepted, "{fault:?}");
            assert!(outcome.attempts == 2 || (outcome.attempts == 1 && place > 120), "{fault:?}: {}", outcome.attempts);
            eventually("the connections are closed", || proxy.connections().open == 0);
        }
    });
}
