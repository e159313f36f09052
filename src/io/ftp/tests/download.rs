use std::time::Duration;

use url::Url;

use super::server::{Script, Server};
use super::{remote, sample};
use crate::io::budget::Unlimited;
use crate::io::ftp::FtpDownload;
use crate::io::http::{FileVersion, RetryPolicy};
use crate::io::sink::{MemorySink, Sink};
use crate::{ErrorKind, Remote, Result};

const RETRY: RetryPolicy = RetryPolicy {
    attempts: 3,
    first_pause: Duration::from_millis(1),
    longest_pause: Duration::from_secs(1),
    longest_retry_after: Duration::from_secs(1),
    lasting: false,
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

/// Goes on with a download of which a million bytes are here, and tells the commands that matter.
async fn resumed<const N: usize>(scripts: [Script; N], date: Option<&str>) -> (Vec<u8>, Vec<String>) {
    let server = Server::start_each(scripts).await;
    let url = Url::parse(&format!("ftp://{}/a", server.address)).unwrap();
    let mut sink = MemorySink::new(&Unlimited, None);
    sink.restart(None).unwrap();
    sink.chunk(sample()[..1_000_000].to_vec().into()).await.unwrap();
    let version = FileVersion { etag: None, last_modified: date.map(str::to_owned) };
    let options = remote();
    let download = FtpDownload::new(&url, &options, &RETRY, &Unlimited).dated();
    let length = Some(sample().len() as u64);
    download.resuming(version, length, 1_000_000).run(&mut sink).await.unwrap();
    let matter = |command: &String| command.starts_with("REST") || command.starts_with("RETR");
    (sink.into_bytes(), server.commands().into_iter().filter(matter).collect())
}

#[tokio::test]
async fn what_an_earlier_download_left_is_gone_on_with_if_size_and_date_are_the_same() {
    let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
    let dated = |reply: &str| Script::new(sample()).reply("MDTM", reply);
    for (script, date) in [
        (dated("213 19941106084937"), date),
        (dated("213 19941106084937.5"), date),
        (dated("500 what?"), date),
        (dated("213 19941106084937"), None),
        (dated("213 nonsense"), date),
    ] {
        let (bytes, commands) = resumed([script], date).await;
        assert!(bytes == sample());
        assert_eq!(commands, ["REST 1000000", "RETR a"]);
    }
    let (bytes, commands) = resumed([dated("213 19941106084938"), dated("213 19941106084938")], date).await;
    assert!(bytes == sample());
    assert_eq!(commands.last().unwrap(), "RETR a");
    assert_eq!(commands.iter().filter(|command| command.starts_with("RETR")).count(), 2);
}
