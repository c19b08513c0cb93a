//! What is said of a run: the document, and its text for a terminal, for CI and as a page.

pub mod document;
mod escape;
pub mod html;
pub mod markdown;
mod plot;
#[cfg(test)]
pub mod sample;
pub mod terminal;
#[cfg(test)]
mod tests;
pub mod words;
