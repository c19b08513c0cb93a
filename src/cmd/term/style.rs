//! What is shown how, where colours are shown.

use anstyle::{AnsiColor, Style};

pub const TIME: Style = Style::new().dimmed();
pub const KIND: Style = AnsiColor::Cyan.on_default();
pub const SENDER: Style = Style::new().bold();
pub const UNREAD: Style = AnsiColor::Yellow.on_default();
