//! `lumen inbox`: an inbox as lines, for people or for programs.

use serde::Deserialize;
use serde_json::Value;

use super::term::style::{KIND, SENDER, TIME, UNREAD};
use super::term::{Notes, Out, count, gap, local_time, shown, width};
use super::{server, usage};
use crate::cli::global::Global;
use crate::cli::inbox::Options;
use crate::client::access::Access;
use crate::client::inbox::{self, Wanted};
use crate::domain::change::Counts;
use crate::domain::limits::LIST_PAGE_MAX;
use crate::exit::Exit;
use crate::wire::api::ListPage;
use crate::wire::event::ItemData;

/// Columns that a sender gets, at most; a longer one is told whole, and its line is out of line.
const SENDER_WIDTH: usize = 24;
const KIND_WIDTH: usize = 16;

/// # Errors
/// The server was not asked, or refused.
pub async fn run(options: &Options, global: &Global) -> anyhow::Result<Exit> {
    let server = server::endpoint(global)?;
    if options.user.is_none() && matches!(server.access(), Access::Key { .. }) {
        return Err(usage::nobody("inbox", "inbox").into());
    }
    let mut out = Out::stdout();
    let mut wanted = Wanted { unread: options.unread, kind: options.kind.clone(), before: options.before };
    let mut left = if options.all { usize::MAX } else { options.limit.get() };
    let page = loop {
        let page = inbox::page(&server, options.user.as_ref(), &wanted, left.min(LIST_PAGE_MAX)).await;
        let page = server::explained(&server, page).await?;
        print(&mut out, &page, global.json).await?;
        left = left.saturating_sub(page.items.len());
        wanted.before = page.next;
        if left == 0 || page.next.is_none() {
            break page;
        }
    };
    Notes::new(global.quiet).say(&told(options, &page));
    Ok(Exit::Ok)
}

async fn print(out: &mut Out, page: &ListPage, json: bool) -> anyhow::Result<()> {
    if json {
        for item in &page.items {
            out.line(&item.to_string()).await?;
        }
        return Ok(());
    }
    let rows: Vec<Row> = page.items.iter().map(Row::of).collect::<Result<_, _>>()?;
    let widest = |column: fn(&Row) -> &str, most: usize| {
        let widths = rows.iter().map(|row| width(column(row)).min(most));
        widths.max().unwrap_or_default()
    };
    let (kind, sender) = (widest(|row| &row.kind, KIND_WIDTH), widest(|row| &row.sender, SENDER_WIDTH));
    for row in &rows {
        out.line(&row.line(kind, sender, out)).await?;
    }
    Ok(())
}

/// What a line shows, safe for a terminal.
struct Row {
    unread: bool,
    time: String,
    kind: String,
    /// Empty where there is none.
    sender: String,
    rest: String,
}

impl Row {
    fn of(item: &Value) -> serde_json::Result<Self> {
        let ItemData { data, kind, .. } = ItemData::deserialize(item)?;
        let sender = data.sender.as_ref().and_then(|sender| sender.get("username")).and_then(Value::as_str);
        let mut rest = shown(&data.content);
        if let Some(link) = &data.link {
            rest += &format!("  {}", shown(link));
        }
        Ok(Self {
            unread: !data.read,
            time: local_time(&data.created_at),
            kind: shown(&kind),
            sender: sender.map(shown).unwrap_or_default(),
            rest,
        })
    }

    fn line(&self, kind_width: usize, sender_width: usize, out: &Out) -> String {
        let Row { unread, time, kind, sender, rest } = self;
        let mark = if *unread { out.styled(UNREAD, "*") } else { " ".to_owned() };
        let mut line =
            format!("{mark} {}  {}{}", out.styled(TIME, time), out.styled(KIND, kind), gap(kind, kind_width));
        if sender_width > 0 {
            line += &format!("  {}{}", out.styled(SENDER, sender), gap(sender, sender_width));
        }
        format!("{line}  {rest}")
    }
}

/// The counts, and how to go on.
fn told(options: &Options, page: &ListPage) -> String {
    let Counts { unread, unseen, .. } = page.counts;
    let whose = options.user.as_ref().map(|user| format!("{}: ", shown(user.as_str()))).unwrap_or_default();
    let more = page.next.map(|rev| format!("; there are older ones: --before {rev}")).unwrap_or_default();
    format!("{whose}{} unread, {} unseen{more}", count(unread), count(unseen))
}
