//! Fetches many files concurrently, with a progress bar, and goes on where one fails.
//!
//! `cargo run --release --example bulk_fetch -- https://archive.example/{1,2,3}.fits`

mod common;

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use rustfits::{FetchOutcome, Fetcher};

#[tokio::main]
async fn main() -> common::Outcome {
    let (server, mut names) = common::names(100, 256)?;
    if let Some(server) = &server {
        // So that something happens: a file that is not there, one that breaks off at first (and is resumed), one that does so too often.
        names.push(server.url("/missing.fits"));
        names.push(server.url("/sky-0.fits?cut=100000&cut_times=1"));
        names.push(server.url("/sky-1.fits?cut=50000"));
    }

    let fetcher =
        Fetcher::builder().concurrency(32).per_host(16).retries(2, Duration::from_millis(50)).progress(true).build()?;
    let started = Instant::now();
    let (mut files, mut failed, mut bytes) = (0, 0, 0);
    let mut outcomes = fetcher.fetch(names);
    while let Some(outcome) = outcomes.next().await {
        bytes += outcome.bytes;
        match report(&outcome).await {
            Ok(line) => {
                files += 1;
                if outcome.attempts > 1 || files <= 5 {
                    println!("{line}");
                }
            }
            Err(error) => {
                failed += 1;
                println!("failed after {} attempts: {error}", outcome.attempts);
            }
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let megabytes = bytes as f64 / 1e6;
    println!(
        "{files} files and {failed} failures, {megabytes:.1} MB in {seconds:.2} s: {:.0} MB/s",
        megabytes / seconds
    );
    Ok(())
}

async fn report(outcome: &FetchOutcome) -> Result<String, String> {
    let fits = outcome.result.as_ref().map_err(ToString::to_string)?;
    let hdus = fits.count().await.map_err(|error| error.to_string())?;
    let FetchOutcome { url, attempts, bytes, duration, .. } = outcome;
    Ok(format!("{url}: {hdus} HDUs, {bytes} bytes, {} ms, attempts {attempts}", duration.as_millis()))
}
