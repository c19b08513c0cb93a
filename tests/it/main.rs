//! The stories: what the product promises, each proved from outside.

fn main() {}
