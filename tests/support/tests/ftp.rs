//! The FTP servers, seen from raw sockets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod common;

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use common::{Control, connect, eventually, secure};
use rustfits_loopback::{Authority, CertificateKind, FtpFault, FtpOptions, FtpServer, ScriptedFtpServer};

const CONTENT: &[u8] = b"SIMPLE  =                    T";

/// A client of the scripted server that has logged in.
fn scripted(faults: &[FtpFault]) -> (ScriptedFtpServer, Control<TcpStream>) {
    let server = ScriptedFtpServer::start(faults);
    server.put("/a.fits", CONTENT);
    let control = logged_in(server.address());
    (server, control)
}

fn logged_in(address: SocketAddr) -> Control<TcpStream> {
    let mut control = Control::new(connect(address));
    assert_eq!(&control.reply()[..3], "220");
    control.log_in();
    control
}

/// What comes over the data connection, and the last reply.
fn retrieve(control: &mut Control<TcpStream>) -> (Vec<u8>, String) {
    let mut data = connect(control.extended_passive());
    assert_eq!(&control.command("RETR /a.fits")[..3], "150");
    let mut bytes = Vec::new();
    data.read_to_end(&mut bytes).unwrap();
    (bytes, control.reply())
}

fn complete_or_scripted(control: &mut Control<TcpStream>) {
    assert_eq!(control.command("SIZE /a.fits"), "213 30");
    let (bytes, reply) = retrieve(control);
    assert_eq!((bytes.as_slice(), &reply[..3]), (CONTENT, "226"));
    assert_eq!(&control.command("REST 20")[..3], "350");
    assert_eq!(retrieve(control).0, &CONTENT[20..]);
    assert_eq!(&control.command("SIZE /b.fits")[..3], "550");
}

#[test]
fn complete_server() {
    let server = FtpServer::start();
    server.put("/a.fits", CONTENT);
    complete_or_scripted(&mut logged_in(server.address()));
    assert!(server.commands().contains(&"RETR /a.fits".to_owned()));
    assert_eq!(server.connections().accepted, 1);
    eventually("the session ends", || server.connections().open == 0);
}

#[test]
fn scripted_server_without_faults() {
    let (server, mut control) = scripted(&[]);
    complete_or_scripted(&mut control);
    assert_eq!(server.data_connections().accepted, 2);
}

/// FTPS, data connection too, of both servers.
#[test]
fn secured() {
    let authority = Authority::new();
    let options = || FtpOptions::new().tls(&authority, CertificateKind::Right);
    let complete = options().start();
    complete.put("/a.fits", CONTENT);
    let scripted = options().start_scripted(&[]);
    scripted.put("/a.fits", CONTENT);
    for address in [complete.address(), scripted.address()] {
        let mut plain = Control::new(connect(address));
        plain.reply();
        assert_eq!(&plain.command("AUTH TLS")[..3], "234");
        let mut control = Control::new(secure(plain.into_stream(), &authority, "localhost"));
        control.log_in();
        assert_eq!(&control.command("PBSZ 0")[..3], "200");
        assert_eq!(&control.command("PROT P")[..3], "200");
        let data = connect(control.extended_passive());
        assert_eq!(&control.command("RETR /a.fits")[..3], "150");
        let mut bytes = Vec::new();
        secure(data, &authority, "localhost").read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, CONTENT);
        assert_eq!(&control.reply()[..3], "226");
    }
}

#[test]
fn one_user_only() {
    let complete = FtpOptions::new().user("me", "secret").start();
    let scripted = FtpOptions::new().user("me", "secret").start_scripted(&[]);
    for address in [complete.address(), scripted.address()] {
        let login = |password: &str| {
            let mut control = Control::new(connect(address));
            control.reply();
            control.command("USER me");
            control.command(&format!("PASS {password}"))
        };
        assert_eq!(&login("secret")[..3], "230");
        assert_eq!(&login("guess")[..3], "530");
    }
}

#[test]
fn broken_transfers() {
    let half = &CONTENT[..15];
    let (_server, mut control) = scripted(&[FtpFault::DataCut]);
    assert_eq!(retrieve(&mut control), (half.to_vec(), "426 The tape broke.".to_owned()));
    let (_server, mut control) = scripted(&[FtpFault::DataShort]);
    assert_eq!(retrieve(&mut control), (half.to_vec(), "226 That was it.".to_owned()));
    let (_server, mut control) = scripted(&[FtpFault::ControlDropped]);
    assert_eq!(retrieve(&mut control), (half.to_vec(), String::new()));
    let (_server, mut control) = scripted(&[FtpFault::Surplus]);
    assert_eq!(retrieve(&mut control).0.len(), CONTENT.len() + 100);
}

#[test]
fn passive_faults() {
    let (_server, mut control) = scripted(&[FtpFault::PasvPrivate]);
    assert_eq!(&control.command("EPSV")[..3], "500");
    assert!(control.command("PASV").starts_with("227 Entering Passive Mode (10,255,255,1,"));
    let (_server, mut control) = scripted(&[FtpFault::EpsvBlocked]);
    let blocked = control.extended_passive();
    assert!(TcpStream::connect_timeout(&blocked, Duration::from_millis(200)).is_err());
    let (_server, mut control) = scripted(&[FtpFault::EpsvClosed]);
    assert!(TcpStream::connect(control.extended_passive()).is_err());
}

#[test]
fn fault_names() {
    assert_eq!(FtpFault::EpsvRefused.to_string(), "epsv-refused");
    for fault in FtpFault::ALL {
        assert_eq!(fault.to_string().parse(), Ok(fault));
    }
    assert!("epsv".parse::<FtpFault>().is_err());
}
