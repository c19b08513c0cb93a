//! What is drawn of a chart within its frame: axes, lines, and what is read off under the pointer.

use super::{BOTTOM, Chart, LEFT, Line, push, x_at};
use crate::loadtest::report::escape::html;

/// Where a chart's lines are drawn.
pub struct Frame<'a> {
    pub chart: &'a Chart,
    pub right: f64,
    pub top: f64,
}

impl Frame<'_> {
    pub fn axes(&self, svg: &mut String) {
        let Self { right, .. } = *self;
        for tick in &self.chart.y.ticks {
            let (y, text) = (self.y_at(*tick), html(&self.chart.y.text(*tick)));
            push(svg, format_args!("<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/>"));
            push(
                svg,
                format_args!("<text class=\"y\" x=\"{:.1}\" y=\"{y:.1}\" dy=\".35em\">{text}</text>\n", LEFT - 8.0),
            );
        }
        for tick in &self.chart.x.ticks {
            let (x, text) = (self.x_at(*tick), html(&self.chart.x.text(*tick)));
            push(svg, format_args!("<path class=\"tick\" d=\"M{x:.1} {BOTTOM}v5\"/>"));
            let end = if x > right - 20.0 { " end" } else { "" };
            let x = if end.is_empty() { x } else { right + 8.0 };
            push(svg, format_args!("<text class=\"x{end}\" x=\"{x:.1}\" y=\"{BOTTOM}\" dy=\"1.75em\">{text}</text>\n"));
        }
        push(svg, format_args!("<path class=\"axis\" d=\"M{LEFT} {BOTTOM}H{right}\"/>\n"));
    }

    /// The line's way, begun anew after each gap. One value alone is a dot.
    pub fn path(&self, line: &Line) -> String {
        let (mut path, mut before) = (String::new(), None);
        for (n, (x, value)) in line.points.iter().enumerate() {
            let Some(value) = value else {
                before = None;
                continue;
            };
            let (x, y) = (self.x_at(*x), self.y_at(*value));
            let alone = line.points.get(n + 1).is_none_or(|(_, next)| next.is_none());
            match before {
                Some(_) if line.stays => push(&mut path, format_args!("H{x:.1}V{y:.1}")),
                Some(_) => push(&mut path, format_args!("L{x:.1} {y:.1}")),
                None if alone => push(&mut path, format_args!("M{x:.1} {y:.1}h0")),
                None => push(&mut path, format_args!("M{x:.1} {y:.1}")),
            }
            before = Some(y);
        }
        path
    }

    /// For each place a strip that shows, while the pointer is on it, what stands there.
    pub fn readings(&self, svg: &mut String) {
        let Self { chart, right: end, top } = *self;
        let places = chart.places();
        for (n, value) in places.iter().enumerate() {
            let x = self.x_at(*value);
            let half = |other: Option<&f64>, end: f64| other.map_or(end, |other| (self.x_at(*other) + x) / 2.0);
            let left = half(n.checked_sub(1).and_then(|n| places.get(n)), LEFT);
            let right = half(places.get(n + 1), end);
            let strip = format!("M{left:.1} {top}H{right:.1}V{BOTTOM}H{left:.1}z");
            push(svg, format_args!("<g class=\"at\"><path class=\"strip\" d=\"{strip}\"/><g class=\"read\">"));
            push(svg, format_args!("<path class=\"cross\" d=\"M{x:.1} {top}V{BOTTOM}\"/>"));
            let mut text = chart.x.text(*value);
            for line in &chart.lines {
                let Some(value) = line.at(*value) else { continue };
                let (class, y) = (line.class, self.y_at(value));
                push(svg, format_args!("<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>"));
                push(&mut text, format_args!("   {} {}", line.name, chart.y.text(value)));
            }
            push(svg, format_args!("<text x=\"{end}\" y=\"16\">{}</text></g></g>\n", html(&text)));
        }
    }

    fn x_at(&self, value: f64) -> f64 {
        x_at(&self.chart.x, value, self.right)
    }

    fn y_at(&self, value: f64) -> f64 {
        BOTTOM - self.chart.y.place(value) * (BOTTOM - self.top)
    }
}
