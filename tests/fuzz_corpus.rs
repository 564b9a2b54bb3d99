//! Replays the corpus of the fuzzer (`npm run fuzz`) on the stable toolchain.

#![cfg(not(target_family = "wasm"))]

use std::path::Path;

#[path = "../fuzz/src/lib.rs"]
mod targets;

/// Runs `target` on each file of its corpus.
fn replay(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name);
    let mut replayed = 0;
    for entry in std::fs::read_dir(folder).expect("every target has a corpus") {
        let path = entry.expect("a readable folder").path();
        println!("{}", path.display());
        target(&std::fs::read(path).expect("a readable file"));
        replayed += 1;
    }
    assert!(replayed > 0, "the corpus of {name} is empty");
}

macro_rules! replays {
    ($($target:ident)*) => {
        $(
            #[test]
            fn $target() {
                replay(stringify!($target), targets::$target);
            }
        )*

        #[test]
        fn every_target_is_replayed() {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
            let entries = std::fs::read_dir(folder).expect("the targets are there");
            let mut files: Vec<String> = entries
                .map(|entry| entry.expect("a readable folder").file_name().into_string().unwrap())
                .collect();
            files.sort();
            let mut replayed = vec![$(concat!(stringify!($target), ".rs")),*];
            replayed.sort();
            assert_eq!(files, replayed);
        }
    };
}

replays! { decode_request decode_response decode_internal_record read_record_batches }
