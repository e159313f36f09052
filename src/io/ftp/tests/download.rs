use std::time::Duration;

use url::Url;

use super::server::{Script, Server};
use super::{remote, sample};
use crate::io::budget::Unlimited;
use crate::io::ftp::FtpDownload;
use crate::io::http::RetryPolicy;
use crate::io::sink::MemorySink;
use crate::{ErrorKind, Remote, Result};

const RETRY: RetryPolicy = RetryPolicy {
    attempts: 3,
    first_pause: Duration::from_millis(1),
    longest_pause: Duration::from_secs(1),
    longest_retry_after: Duration::from_secs(1),
};

/// Downloads from a server with a script for each connection; tells also the attempts and the commands that matter here.
async fn download<const N: usize>(scripts: [Script; N], remote: &Remote) -> (Result<Vec<u8>>, u32, Vec<String>) {
    let server = Server::start_each(scripts).await;
    let url = Url::parse(&format!("ftp://{}/a", server.address)).unwrap();
    let mut sink = MemorySink::new(&Unlimited, None);
    let mut download = FtpDownload::new(&url, remote, &RETRY, &Unlimited);
    let result = download.run(&mut sink).await;
    let commands = server.commands();
    let matter = |command: &String| command.starts_with("REST") || command.starts_with("RETR");
    (result.map(|()| sink.into_bytes()), download.attempts(), commands.into_iter().filter(matter).collect())
}

fn cut(at: usize) -> Script {
    Script { cut: at, ..Script::new(sample()) }
}

#[tokio::test]
async fn what_broke_goes_on_where_it_was() {
    let scripts = [cut(1_000_000), cut(2_500_000), Script::new(sample())];
    let (result, attempts, commands) = download(scripts, &remote()).await;
    assert!(result.unwrap() == sample());
    assert_eq!(attempts, 3);
    assert_eq!(commands, ["RETR a", "REST 1000000", "RETR a", "REST 2500000", "RETR a"]);
}

#[tokio::test]
async fn what_cannot_be_resumed_begins_again() {
    let other: Vec<u8> = sample().iter().map(|byte| !byte).collect();
    let longer = [&other[..], b"more"].concat();
    let cases: [(&dyn Fn() -> Script, &[u8]); 4] = [
        (&|| Script::new(longer.clone()), &longer),
        (&|| Script::new(&other[..10]), &other[..10]),
        (&|| Script::new(sample()).reply("REST", "502 no"), &sample()),
        (&|| Script { forgets_rest: true, ..Script::new(sample()) }, &sample()),
    ];
    for (number, (again, expected)) in cases.into_iter().enumerate() {
        // Once to find out that it can't be resumed, and once from the start, in the same attempt.
        let (result, attempts, commands) = download([cut(1_000_000), again(), again()], &remote()).await;
        assert!(result.unwrap() == expected, "{number}");
        assert_eq!((attempts, commands.last().unwrap().as_str()), (2, "RETR a"), "{number}");
    }
    // Without a length nobody knows what a rest would fit to.
    let unknown = |script: Script| script.reply("SIZE", "500 what?");
    let broken = Script { confirmation: "426 broke".to_owned(), ..unknown(cut(1_000_000)) };
    let (result, _, commands) = download([broken, unknown(Script::new(sample()))], &remote()).await;
    assert!(result.unwrap() == sample());
    assert_eq!(commands, ["RETR a", "RETR a"]);
}

#[tokio::test]
async fn the_total_limit_is_that_of_all_attempts() {
    let mut remote = remote();
    remote.timeout.total = Some(Duration::from_millis(200));
    let stall = || Script { stall: true, ..cut(1_000_000) };
    let (result, attempts, _) = download([stall(), stall(), stall()], &remote).await;
    assert_eq!((result.unwrap_err().kind(), attempts), (ErrorKind::Timeout, 1));
}
