//! Makes the Rust of Kafka's messages from the tables in `src/protocol/schema`.

#[path = "build/generate.rs"]
mod generate;
#[path = "build/names.rs"]
mod names;
#[path = "build/schema.rs"]
mod schema;

use std::path::{Path, PathBuf};
use std::{env, fs};

const SCHEMA_DIR: &str = "src/protocol/schema";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed={SCHEMA_DIR}");

    let mut messages = Vec::new();
    for path in tables() {
        let text = fs::read_to_string(&path).expect("a table is readable text");
        match schema::parse(&text) {
            Ok(parsed) => messages.extend(parsed),
            Err(error) => panic!("{}:{error}", path.display()),
        }
    }
    let out = Path::new(&env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("messages.rs");
    fs::write(&out, generate::generate(&messages)).expect("OUT_DIR is writable");
}

/// The tables in the order of their names, so that the output does not depend on the file system.
fn tables() -> Vec<PathBuf> {
    let entries = fs::read_dir(SCHEMA_DIR).expect("the schema folder exists");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable entry").path())
        .collect();
    paths.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "table")
    });
    paths.sort();
    paths
}
