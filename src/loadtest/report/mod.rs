//! What is said of a run: the document, and its text for a terminal, for CI and as a page.

pub mod document;
#[cfg(test)]
pub mod sample;
