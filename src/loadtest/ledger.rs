//! Every message on every stream: what was due, and what came of it.
