//! The splitter of event streams: the same blocks however the bytes come in pieces, and any event can be looked at.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lumen_inbox::wire::event;
use lumen_inbox::wire::sse::Splitter;

fuzz_target!(|input: (u8, &[u8])| {
    let (size, bytes) = input;
    let split = |size: usize| {
        let (mut splitter, mut blocks) = (Splitter::default(), Vec::new());
        let outcome = bytes.chunks(size).try_for_each(|piece| splitter.push(piece, &mut blocks));
        (outcome, blocks)
    };
    let (outcome, blocks) = split(usize::MAX);
    assert_eq!(split(usize::from(size) + 1), (outcome, blocks.clone()));
    for block in blocks {
        assert!(!block.event.is_empty());
        // Data that is not what the name promises is an error, and no more.
        let _ = event::parse(&block.event, &block.data.unwrap_or_default());
    }
});
