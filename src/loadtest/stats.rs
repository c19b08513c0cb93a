//! From what was measured to the document.
