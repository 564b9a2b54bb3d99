//! The house rules that a program can check, over every source file.
//!
//! Each rule is a function from a source to its violations. `planted.rs` shows each of them a
//! violation of every kind that it exists for; the tests here, the real sources.
#![cfg(not(target_family = "wasm"))]

mod house;
mod planted;
mod text;

use std::fmt;
use std::path::Path;

#[test]
fn rust_sources_keep_the_house_rules() {
    assert_clean(&sources("src", &["rs"]), house::check);
}

#[test]
fn playground_imports_the_package_by_name() {
    assert_clean(
        &sources("www/src", &["ts", "js", "svelte", "css"]),
        text::check_playground,
    );
}

#[test]
fn files_are_short() {
    for folder in ["src", "js", "www"] {
        assert_clean(
            &sources(folder, &["rs", "ts", "js", "svelte", "css", "html"]),
            text::check_length,
        );
    }
}

#[test]
fn lock_file_names_no_registry() {
    let lock = sources("package-lock.json", &["json"]);
    assert_clean(&lock, text::check_lock);
}

/// One broken rule at one place.
#[derive(Debug, PartialEq)]
struct Violation {
    file: String,
    line: usize,
    message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// A file: its path from the root of the checkout, and what it holds.
struct Source {
    file: String,
    text: String,
}

impl Source {
    /// The path of the module that the file is: `src/log/mod.rs` is `log`, `src/now.rs` is `now`.
    fn module(&self) -> Vec<String> {
        let path = self
            .file
            .strip_prefix("src/")
            .expect("sources lie below src/");
        let path = path.strip_suffix(".rs").expect("sources are Rust");
        let mut module: Vec<String> = path.split('/').map(str::to_owned).collect();
        if module
            .last()
            .is_some_and(|name| name == "mod" || name == "lib")
        {
            module.pop();
        }
        module
    }
}

/// The files below `folder` that end in one of `extensions`.
fn sources(folder: &str, extensions: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ours = |name: &str| name != "node_modules" && name != "dist";
    walkdir::WalkDir::new(root.join(folder))
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| ours(&entry.file_name().to_string_lossy()))
        .map(|entry| entry.expect("the checkout is readable"))
        .filter(|entry| entry.file_type().is_file())
        .filter(|entry| {
            let extension = entry
                .path()
                .extension()
                .and_then(|extension| extension.to_str());
            extension.is_some_and(|extension| extensions.contains(&extension))
        })
        .map(|entry| Source {
            file: entry
                .path()
                .strip_prefix(root)
                .expect("the walk started at the root")
                .to_string_lossy()
                .replace('\\', "/"),
            text: std::fs::read_to_string(entry.path()).expect("sources are UTF-8"),
        })
        .collect()
}

fn assert_clean(sources: &[Source], rule: impl Fn(&Source) -> Vec<Violation>) {
    assert!(!sources.is_empty(), "the rule looked at nothing");
    let violations: Vec<String> = sources
        .iter()
        .flat_map(rule)
        .map(|violation| violation.to_string())
        .collect();
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}
