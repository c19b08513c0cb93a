//! Real traffic through the real commands: the messages of a student network go in by `lumen send -`, while a stream is
//! open for each of the busiest receivers. Faults rows 1 and 2 with it: ten kills in its midst, and streams that are cut.

mod input;
mod sending;
mod site;
mod stream;

use self::sending::Sending;
use self::site::Site;

/// Messages that are sent unless the whole is asked for.
const PART: usize = 6_000;
/// Asks for the whole, when it is 1.
const WHOLE: &str = "LUMEN_TEST_WHOLE";
const KILLS: usize = 10;
/// Lines of a request when the server is killed: few, so that many requests lie between two kills.
const BATCH: &str = "100";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_stream_has_exactly_its_messages() {
    let site = Site::open(most(), false).await;
    let mut sending = Sending::start(&site.server, &[]);
    let all = site.drafts(0..site.rows());
    let sent = site.while_it_moves(async {
        sending.feed(all).await;
        sending.end().await
    });
    let sent = sent.await;
    assert_eq!((sent.sent, sent.duplicates, sent.faulty), (site.rows(), 0, 0));
    let name = site.name();
    let openings = site.assert_all_is_there().await;
    assert!(openings.iter().all(|openings| *openings == 1), "what nothing disturbs stays open: {openings:?}");
    eprintln!("real traffic: {name}: {sent}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_kills_and_cut_streams_lose_nothing_and_double_nothing() {
    let mut site = Site::open(most(), true).await;
    let mut sending = Sending::start(&site.server, &["--batch", BATCH]);
    let border = |part: usize, rows: usize| rows * part / (KILLS + 1);
    for part in 0..KILLS {
        let part = border(part, site.rows())..border(part + 1, site.rows());
        // What comes after this part waits for the kill, which so is in the midst of it all.
        tokio::join!(sending.feed(site.drafts(part.clone())), site.kill_within(part));
    }
    let rest = site.drafts(border(KILLS, site.rows())..site.rows());
    let sent = site.while_it_moves(async {
        sending.feed(rest).await;
        sending.end().await
    });
    let sent = sent.await;
    // The lines of a request that was stored and not answered were sent again, as duplicates.
    assert_eq!((sent.sent + sent.duplicates, sent.faulty), (site.rows(), 0));
    let name = site.name();
    let openings = site.assert_all_is_there().await;
    let opened: usize = openings.iter().sum();
    assert!(opened > 2 * openings.len(), "hardly a stream was cut: {openings:?}");
    eprintln!("real traffic: {name}, {KILLS} kills, streams opened {opened} times: {sent}");
}

fn most() -> Option<usize> {
    let whole = std::env::var(WHOLE).is_ok_and(|whole| whole == "1");
    (!whole).then_some(PART)
}
