//! Marked moments of a picture: a line each, and above the picture their words, where they do not cover each other.

use super::scale::Scale;
use super::{BOTTOM, LEFT, Mark, push, x_at};
use crate::loadtest::report::escape::html;

/// About how wide a letter is where the page is narrow and letters are largest, and how high a row of them.
const LETTER: f64 = 7.8;
const ROW: f64 = 19.0;
/// Rows of words; what finds no place in them is told under the pointer only.
const ROWS: usize = 3;

/// A mark with its place.
pub struct Label {
    x: f64,
    at: String,
    text: String,
    /// Its row, the lowest first; none where there is no room.
    row: Option<usize>,
    /// Whether its words stand left of its line.
    before: bool,
}

/// The marks of a picture that ends at `right`.
pub fn placed(marks: &[Mark], scale: &Scale, right: f64) -> Vec<Label> {
    // From where on each row is taken. The last mark is placed first, and so lowest: the line of an earlier one then
    // rises to its words beside those of later ones, not through them.
    let mut taken = [f64::INFINITY; ROWS];
    let place = |mark: &Mark| {
        let x = x_at(scale, mark.at, right);
        let width = mark.text.chars().count() as f64 * LETTER + 6.0;
        let before = x + width > right;
        let (from, to) = if before { (x - width, x) } else { (x, x + width) };
        let row = taken.iter().position(|taken| to <= *taken).filter(|_| from >= LEFT);
        if let Some(row) = row {
            taken[row] = from - LETTER;
        }
        Label { x, at: scale.text(mark.at), text: mark.text.clone(), row, before }
    };
    marks.iter().rev().map(place).collect()
}

/// How high their words are, all together.
pub fn height(labels: &[Label]) -> f64 {
    labels.iter().filter_map(|label| label.row).max().map_or(0.0, |row| ROW * (row + 1) as f64)
}

/// Draws them over a picture whose lines begin at `top`.
pub fn draw(svg: &mut String, labels: &[Label], top: f64) {
    for Label { x, at, text, row, before } in labels {
        let (at, text) = (html(at), html(text));
        let from = top - row.map_or(0.0, |row| ROW * (row + 1) as f64 - 5.0);
        push(
            svg,
            format_args!("<g class=\"mark\"><title>{at}: {text}</title><path d=\"M{x:.1} {from:.1}V{BOTTOM}\"/>"),
        );
        if row.is_some() {
            let (class, x) = if *before { ("end", x - 5.0) } else { ("start", x + 5.0) };
            push(svg, format_args!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\">{text}</text>", from + 9.0));
        }
        svg.push_str("</g>\n");
    }
}
