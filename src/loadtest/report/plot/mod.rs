//! A picture of lines as SVG: axes, lines with gaps where there is no value, marked moments, and under the pointer what
//! stands there. It has no script and loads nothing; colours and letters are the page's (`page.css`).

mod frame;
mod labels;
pub mod scale;

use std::fmt::Write;

use super::escape::html;
use frame::Frame;
use scale::Scale;

/// The picture in its own units; the page scales it.
const HEIGHT: f64 = 290.0;
/// Beside the lines: for the numbers of the axes, and above for what is read off.
const LEFT: f64 = 74.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 254.0;
/// Places at which the pointer reads something off, at most.
const READINGS: f64 = 240.0;

pub struct Line {
    pub name: &'static str,
    /// How it is drawn: a class of `page.css`.
    pub class: &'static str,
    /// Values in the order of the first; none where nothing was seen.
    pub points: Vec<(f64, Option<f64>)>,
    /// Whether a value stays until the next, as a number of streams does.
    pub stays: bool,
}

/// A moment that is marked.
pub struct Mark {
    pub at: f64,
    pub text: String,
}

/// How wide a picture is, in its own units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// Half a page, or a telephone's whole.
    Half,
    Whole,
}

pub struct Chart {
    /// For those who do not see it.
    pub told: String,
    pub x: Scale,
    pub y: Scale,
    pub lines: Vec<Line>,
    pub marks: Vec<Mark>,
}

impl Chart {
    /// The picture.
    pub fn svg(&self, width: Width) -> String {
        let (class, width) = match width {
            Width::Half => ("half", 600.0),
            Width::Whole => ("whole", 1220.0),
        };
        let right = width - RIGHT;
        let labels = labels::placed(&self.marks, &self.x, right);
        let frame = Frame { chart: self, right, top: TOP + labels::height(&labels) };
        let mut svg = format!(
            "<svg class=\"{class}\" viewBox=\"0 0 {width} {HEIGHT}\" role=\"img\" aria-label=\"{}\" \
             xmlns=\"http://www.w3.org/2000/svg\">\n",
            html(&self.told)
        );
        frame.axes(&mut svg);
        for line in &self.lines {
            push(&mut svg, format_args!("<path class=\"line {}\" d=\"{}\"/>\n", line.class, frame.path(line)));
        }
        frame.readings(&mut svg);
        labels::draw(&mut svg, &labels, frame.top);
        svg + "</svg>\n"
    }

    /// What each line is.
    pub fn legend(&self) -> String {
        let entry = |line: &Line| {
            let Line { class, name, .. } = line;
            format!(
                "<li><svg class=\"key\" viewBox=\"0 0 24 8\" aria-hidden=\"true\">\
                 <path class=\"line {class}\" d=\"M1 4H23\"/></svg>{}</li>",
                html(name)
            )
        };
        format!("<ul class=\"legend\">{}</ul>\n", self.lines.iter().map(entry).collect::<String>())
    }

    /// Where something can be read off: where a line has a value, and far enough from the place before.
    fn places(&self) -> Vec<f64> {
        let all = self.lines.iter().flat_map(|line| &line.points).filter(|(_, value)| value.is_some());
        let mut places: Vec<f64> = all.map(|(x, _)| *x).collect();
        places.sort_by(f64::total_cmp);
        let mut last = f64::NEG_INFINITY;
        places.retain(|x| {
            let place = self.x.place(*x);
            let apart = place - last >= 1.0 / READINGS;
            if apart {
                last = place;
            }
            apart
        });
        places
    }
}

impl Line {
    /// Its value there, or at the next point that it has.
    fn at(&self, x: f64) -> Option<f64> {
        self.points.iter().find(|(at, _)| *at >= x)?.1
    }
}

fn x_at(scale: &Scale, value: f64, right: f64) -> f64 {
    LEFT + scale.place(value) * (right - LEFT)
}

fn push(text: &mut String, more: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(more);
}
