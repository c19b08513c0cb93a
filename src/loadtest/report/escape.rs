//! Text from elsewhere, such as a server's refusal, as a page and as Markdown may hold it: it is shown, and does nothing.

/// For HTML and SVG, between tags and in quoted attributes.
pub fn html(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars().map(visible) {
        match char {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            _ => safe.push(char),
        }
    }
    safe
}

/// For Markdown, anywhere in a line and in a cell of a table.
pub fn markdown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for char in text.chars().map(visible) {
        match char {
            // Within HTML, which Markdown may hold, a backslash keeps nothing.
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '$' | '!' => safe.extend(['\\', char]),
            _ => safe.push(char),
        }
    }
    safe
}

/// Lines stay one line; what has no shape gets one.
fn visible(char: char) -> char {
    match char {
        '\n' | '\r' | '\t' => ' ',
        _ if char.is_control() => '\u{fffd}',
        _ => char,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOREIGN: &str = "<script>alert('x')</script> | `rm` & \"q\"\n\u{1b}[31m";

    #[test]
    fn a_page_shows_it_and_runs_nothing() {
        let shown = "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; | `rm` &amp; &quot;q&quot; \u{fffd}[31m";
        assert_eq!(html(FOREIGN), shown);
    }

    #[test]
    fn markdown_shows_it_in_its_cell() {
        let shown = "&lt;script&gt;alert('x')&lt;/script&gt; \\| \\`rm\\` &amp; \"q\" \u{fffd}\\[31m";
        assert_eq!(markdown(FOREIGN), shown);
    }
}
