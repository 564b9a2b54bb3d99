//! The house rules that a program can check, over the syntax tree of every source file.
//!
//! Each rule is a function from a source to its violations; the tests at the end show each of
//! them a violation of every kind that it exists for, and then the real sources.
#![cfg(not(target_family = "wasm"))]

use std::fmt;
use std::path::Path;

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Macro, Meta, Token, UseTree};

/// The rooms from the top of the house to its bottom, and the shared modules under them; each with
/// what it may use.
const ARROWS: [(&str, &str); 15] = [
    (
        "bindings",
        "runtime client broker coordinator replica metadata log record protocol storage machine now",
    ),
    (
        "runtime",
        "client broker coordinator replica metadata log record protocol storage machine now",
    ),
    (
        "sim",
        "client broker coordinator replica metadata log record protocol storage machine planted now",
    ),
    // A client knows the broker only by its frames.
    ("client", "record protocol machine planted now"),
    (
        "broker",
        "coordinator replica metadata log record protocol storage machine planted now",
    ),
    (
        "coordinator",
        "replica metadata log record protocol storage machine planted now",
    ),
    (
        "replica",
        "metadata log record protocol storage machine planted now",
    ),
    (
        "metadata",
        "log record protocol storage machine planted now",
    ),
    ("log", "record protocol storage machine planted now"),
    ("record", "protocol planted now"),
    ("protocol", ""),
    // The events and effects that every node speaks carry storage's requests and replies.
    ("machine", "storage now"),
    ("storage", "planted now"),
    ("planted", ""),
    ("now", ""),
];

/// The crates that reach the browser, or drive futures.
const BROWSER_CRATES: [&str; 10] = [
    "console_error_panic_hook",
    "futures_channel",
    "futures_util",
    "gloo_events",
    "gloo_timers",
    "indexed_db_futures",
    "js_sys",
    "serde_wasm_bindgen",
    "wasm_bindgen_futures",
    "web_sys",
];

/// Where those crates, and `wasm_bindgen` itself, may be used.
const BROWSER_ROOMS: [&str; 3] = ["src/bindings/", "src/runtime/", "src/storage/indexed_db/"];

/// The modules from which `lib.rs` may lift clippy's disallowed methods and types.
const ALLOWED_TO_LIFT: [&str; 2] = ["runtime", "indexed_db"];

/// What, written in an `allow`, would lift them: the lints and the groups that hold them.
const LIFTS: [&str; 6] = [
    "disallowed_methods",
    "disallowed_types",
    "disallowed_macros",
    "style",
    "all",
    "warnings",
];

/// Lines of a file; one that needs more holds more than one noun.
const FILE_LINES_MAX: usize = 800;

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

/// A file below `src/`: its path from the root of the checkout, and what it holds.
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

    fn is_browser_room(&self) -> bool {
        BROWSER_ROOMS.iter().any(|room| self.file.starts_with(room))
    }
}

/// Every broken rule of a Rust source.
fn check(source: &Source) -> Vec<Violation> {
    let syntax = match syn::parse_file(&source.text) {
        Ok(syntax) => syntax,
        Err(error) => panic!("{} does not parse: {error}", source.file),
    };
    let module = source.module();
    let mut checker = Checker {
        source,
        module,
        violations: Vec::new(),
    };
    checker.visit_file(&syntax);
    checker.violations
}

struct Checker<'a> {
    source: &'a Source,
    /// The module that is being visited, by its path from the crate's root.
    module: Vec<String>,
    violations: Vec<Violation>,
}

impl Checker<'_> {
    fn violation(&mut self, span: Span, message: String) {
        let line = span.start().line;
        self.violations.push(Violation {
            file: self.source.file.clone(),
            line,
            message,
        });
    }

    /// Checks a path as written, for where it leads.
    fn path(&mut self, segments: &[String], span: Span) {
        let Some(first) = segments.first() else {
            return;
        };
        if BROWSER_CRATES.contains(&first.as_str()) || first == "wasm_bindgen" {
            if !self.source.is_browser_room() {
                self.violation(
                    span,
                    format!("`{first}` outside {}", BROWSER_ROOMS.join(", ")),
                );
            }
            return;
        }
        let Some(target) = self.resolve(segments) else {
            return;
        };
        // lib.rs declares the rooms; a path to the root itself names nothing yet.
        let (Some(from), Some(to)) = (self.module.first(), target.first()) else {
            return;
        };
        // A macro that is exported at the root carries its room's name in front.
        let to = ARROWS
            .iter()
            .map(|(room, _)| *room)
            .find(|room| to == room || to.starts_with(&format!("{room}_")));
        let allowed = ARROWS
            .iter()
            .find(|(room, _)| room == from)
            .map(|(_, allowed)| *allowed);
        match (allowed, to) {
            (None, _) => self.violation(span, format!("`{from}` is no room of the house")),
            (_, None) => {
                self.violation(span, format!("`{}` leads to no room", segments.join("::")));
            }
            (Some(allowed), Some(to))
                if to != from && !allowed.split(' ').any(|room| room == to) =>
            {
                self.violation(span, format!("`{from}` may not use `{to}`"));
            }
            _ => {}
        }
    }

    /// The path from the crate's root; `None` if it starts elsewhere.
    fn resolve(&self, segments: &[String]) -> Option<Vec<String>> {
        let mut target = match segments.first()?.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => self.module.clone(),
            _ => return None,
        };
        for segment in segments {
            match segment.as_str() {
                "crate" | "self" => {}
                "super" => {
                    target.pop();
                }
                name => target.push(name.to_owned()),
            }
        }
        Some(target)
    }

    fn use_tree(&mut self, prefix: &[String], tree: &UseTree) {
        let mut path = prefix.to_vec();
        match tree {
            UseTree::Path(tree) => {
                path.push(tree.ident.to_string());
                self.use_tree(&path, &tree.tree);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.use_tree(&path, tree);
                }
            }
            UseTree::Name(name) => {
                path.push(name.ident.to_string());
                self.path(&path, name.span());
            }
            UseTree::Rename(rename) => {
                path.push(rename.ident.to_string());
                if self.resolve(&path).is_some_and(|target| target.is_empty()) {
                    self.violation(rename.span(), "a second name for the crate".to_owned());
                }
                self.path(&path, rename.span());
            }
            UseTree::Glob(glob) => {
                if !self.module.is_empty()
                    && self.resolve(&path).is_some_and(|target| target.is_empty())
                {
                    self.violation(glob.span(), "a glob of the crate's root".to_owned());
                }
                self.path(&path, glob.span());
            }
        }
    }

    /// Finds paths and attributes in what a macro is given, which has no syntax tree.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let colons = |at: usize| {
            let colon =
                |at| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == ':');
            colon(at) && colon(at + 1)
        };
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Ident(first) if colons(at) => {
                    let span = first.span();
                    let mut path = vec![first.to_string()];
                    while colons(at) {
                        at += 2;
                        match tokens.get(at) {
                            Some(TokenTree::Ident(segment)) => path.push(segment.to_string()),
                            Some(TokenTree::Group(group))
                                if group.delimiter() == Delimiter::Brace =>
                            {
                                let trees = Punctuated::<UseTree, Token![,]>::parse_terminated;
                                for tree in trees.parse2(group.stream()).iter().flatten() {
                                    self.use_tree(&path, tree);
                                }
                            }
                            _ => break,
                        }
                        at += 1;
                    }
                    self.path(&path, span);
                }
                TokenTree::Punct(hash) if hash.as_char() == '#' => {
                    let inner =
                        matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == '!');
                    if let Some(TokenTree::Group(group)) = tokens.get(at + usize::from(inner))
                        && let Ok(meta) = syn::parse2::<Meta>(group.stream())
                    {
                        self.meta(&meta, None);
                    }
                }
                TokenTree::Group(group) => self.tokens(group.stream()),
                _ => {}
            }
        }
    }

    /// Checks an attribute; `on` is the module that it stands on, if it is one.
    fn meta(&mut self, meta: &Meta, on: Option<&str>) {
        let Some(name) = meta
            .path()
            .segments
            .last()
            .map(|segment| segment.ident.to_string())
        else {
            return;
        };
        if name == "wasm_bindgen" && !self.source.file.starts_with("src/bindings/") {
            self.violation(
                meta.span(),
                "`#[wasm_bindgen]` outside src/bindings".to_owned(),
            );
        }
        let Meta::List(list) = meta else { return };
        match name.as_str() {
            "allow" | "expect" | "warn" => {
                let lifted = words(list.tokens.clone())
                    .into_iter()
                    .find(|word| LIFTS.contains(&word.as_str()));
                let from_lib = self.source.file == "src/lib.rs"
                    && on.is_some_and(|module| ALLOWED_TO_LIFT.contains(&module));
                if let Some(lint) = lifted
                    && !from_lib
                {
                    self.violation(
                        meta.span(),
                        format!("lifts `{lint}`, which only lib.rs may"),
                    );
                }
            }
            "cfg_attr" => {
                let metas = Punctuated::<Meta, Token![,]>::parse_terminated;
                // The first is the condition.
                for meta in metas.parse2(list.tokens.clone()).iter().flatten().skip(1) {
                    self.meta(meta, on);
                }
            }
            _ => {}
        }
    }
}

impl<'ast> Visit<'ast> for Checker<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let name = item.ident.to_string();
        for attribute in &item.attrs {
            self.meta(&attribute.meta, Some(&name));
        }
        self.module.push(name);
        for item in item.content.iter().flat_map(|(_, items)| items) {
            self.visit_item(item);
        }
        self.module.pop();
    }

    fn visit_item(&mut self, item: &'ast Item) {
        if let Item::Verbatim(tokens) = item {
            self.tokens(tokens.clone());
        }
        visit::visit_item(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        for attribute in &item.attrs {
            self.visit_attribute(attribute);
        }
        self.use_tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        if 1 < segments.len() {
            self.path(&segments, path.span());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, mac: &'ast Macro) {
        self.tokens(mac.tokens.clone());
        visit::visit_macro(self, mac);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        self.meta(&attribute.meta, None);
    }
}

/// Every identifier of a token stream, whatever it is nested in.
fn words(tokens: TokenStream) -> Vec<String> {
    tokens
        .into_iter()
        .flat_map(|token| match token {
            TokenTree::Ident(word) => vec![word.to_string()],
            TokenTree::Group(group) => words(group.stream()),
            _ => Vec::new(),
        })
        .collect()
}

/// The lines of the playground that reach into the checkout instead of importing the package.
fn check_playground(source: &Source) -> Vec<Violation> {
    const ROOMS: [&str; 4] = ["js", "src", "dist", "pkg"];
    let reaches_out = |literal: &str| {
        let climbed = literal.trim_start_matches("../");
        climbed != literal
            && ROOMS.iter().any(|room| {
                climbed
                    .strip_prefix(room)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
    };
    let lines = source.text.lines().zip(1..);
    lines
        .filter(|(line, _)| line.split(['"', '\'', '`']).any(reaches_out))
        .map(|(_, line)| Violation {
            file: source.file.clone(),
            line,
            message: "the playground imports the package by its name".to_owned(),
        })
        .collect()
}

fn check_length(source: &Source) -> Vec<Violation> {
    let lines = source.text.lines().count();
    if lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    let message = format!("{lines} lines are more than {FILE_LINES_MAX}: split it by its nouns");
    vec![Violation {
        file: source.file.clone(),
        line: lines,
        message,
    }]
}

/// npm would write where a package came from, which is where the developer's registry is.
fn check_lock(source: &Source) -> Vec<Violation> {
    let lines = source.text.lines().zip(1..);
    lines
        .filter(|(line, _)| line.contains("\"resolved\": \"http"))
        .map(|(_, line)| Violation {
            file: source.file.clone(),
            line,
            message: "a registry's address: see .npmrc".to_owned(),
        })
        .collect()
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

#[test]
fn rust_sources_keep_the_house_rules() {
    assert_clean(&sources("src", &["rs"]), check);
}

#[test]
fn playground_imports_the_package_by_name() {
    assert_clean(
        &sources("www/src", &["ts", "js", "svelte", "css"]),
        check_playground,
    );
}

#[test]
fn files_are_short() {
    for folder in ["src", "js", "www"] {
        assert_clean(
            &sources(folder, &["rs", "ts", "js", "svelte", "css", "html"]),
            check_length,
        );
    }
}

#[test]
fn lock_file_names_no_registry() {
    let lock = sources("package-lock.json", &["json"]);
    assert_clean(&lock, check_lock);
}

/// The messages for a source at a path.
fn messages(file: &str, text: &str) -> Vec<String> {
    let source = Source {
        file: file.to_owned(),
        text: text.to_owned(),
    };
    check(&source)
        .into_iter()
        .map(|violation| violation.message)
        .collect()
}

#[test]
fn arrows_that_point_up_are_found_in_every_form() {
    let up = ["`log` may not use `broker`"];
    for text in [
        "use crate::broker::Broker;",
        "use crate::{now::Now, broker::{self, Broker}};",
        "use crate::broker as b;",
        "use super::super::broker;",
        "use super::{super::broker::Broker};",
        "pub use crate::broker::*;",
        "fn f(broker: &crate::broker::Broker) {}",
        "fn f() { crate::broker::open() }",
        "fn f() { crate::broker_frame!(); }",
        "fn f() { println!(\"{}\", crate::broker::open()) }",
        "macro_rules! m { () => { $crate::broker::open() } }",
        "fn f() { m! { use crate::{broker::Broker}; } }",
        "mod tests { use super::super::super::broker::Broker; }",
        "impl From<crate::broker::Error> for Error {}",
    ] {
        let found = messages("src/log/segment.rs", text);
        assert!(
            !found.is_empty() && found.iter().all(|m| m == up[0]),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn arrows_that_point_down_are_free() {
    for text in [
        "use crate::record::Batch;",
        "use crate::log::Log;",
        "use super::segment::Segment;",
        "mod tests { use super::super::Log; use super::*; }",
        "use crate::now::Now; use crate::storage::{self, Storage};",
        "crate::storage_conformance_tests!(memory);",
        "use std::collections::BTreeMap;",
        "fn f() { broker::open() }",
    ] {
        assert_eq!(messages("src/log/index.rs", text), [""; 0], "{text}");
    }
}

#[test]
fn a_client_knows_the_broker_only_by_its_frames() {
    let found = messages("src/client/producer.rs", "use crate::broker::Broker;");
    assert_eq!(found, ["`client` may not use `broker`"]);
}

#[test]
fn root_may_not_be_reached_under_another_name() {
    assert_eq!(
        messages("src/log/mod.rs", "use super::*;"),
        ["a glob of the crate's root"]
    );
    assert_eq!(
        messages("src/log/mod.rs", "use crate as c;"),
        ["a second name for the crate"]
    );
}

#[test]
fn rooms_that_the_house_does_not_have_are_found() {
    assert_eq!(
        messages("src/util.rs", "use crate::now::Now;"),
        ["`util` is no room of the house"]
    );
    assert_eq!(
        messages("src/log/mod.rs", "use crate::util::X;"),
        ["`crate::util::X` leads to no room"]
    );
}

#[test]
fn wasm_bindgen_attribute_stays_in_bindings() {
    let outside = "`#[wasm_bindgen]` outside src/bindings";
    for text in [
        "#[wasm_bindgen] pub struct Broker;",
        "#[cfg_attr(target_family = \"wasm\", wasm_bindgen)] pub struct Broker;",
        "pub struct Broker; #[wasm_bindgen] impl Broker { #[wasm_bindgen(constructor)] fn new() {} }",
        "m! { #[wasm_bindgen(js_name = x)] fn f() {} }",
    ] {
        let found = messages("src/runtime/mod.rs", text);
        assert!(
            !found.is_empty() && found.iter().all(|m| m == outside),
            "{text}: {found:?}"
        );
        assert_eq!(messages("src/bindings/broker.rs", text), [""; 0], "{text}");
    }
}

#[test]
fn browser_crates_stay_in_their_rooms() {
    let outside = |name: &str| format!("`{name}` outside {}", BROWSER_ROOMS.join(", "));
    for (text, name) in [
        ("use wasm_bindgen::JsValue;", "wasm_bindgen"),
        ("fn f() -> js_sys::Promise { todo!() }", "js_sys"),
        ("fn f() { log!(web_sys::window()) }", "web_sys"),
    ] {
        assert_eq!(
            messages("src/broker/mod.rs", text),
            [outside(name)],
            "{text}"
        );
        assert_eq!(
            messages("src/storage/indexed_db/mod.rs", text),
            [""; 0],
            "{text}"
        );
    }
}

#[test]
fn clocks_and_randomness_are_lifted_only_by_lib_and_only_for_two_rooms() {
    let lifted = |lint: &str| format!("lifts `{lint}`, which only lib.rs may");
    for (text, lint) in [
        (
            "#![allow(clippy::disallowed_methods)]",
            "disallowed_methods",
        ),
        (
            "#[allow(clippy::disallowed_types)] use std::collections::HashMap;",
            "disallowed_types",
        ),
        (
            "#[expect(clippy::disallowed_methods, reason = \"\")] fn f() {}",
            "disallowed_methods",
        ),
        ("fn f() { #[allow(clippy::style)] let a = 1; }", "style"),
        (
            "#[cfg_attr(test, allow(clippy::disallowed_types))] mod tests {}",
            "disallowed_types",
        ),
        ("m! { #![allow(clippy::all)] }", "all"),
    ] {
        assert_eq!(
            messages("src/runtime/mod.rs", text),
            [lifted(lint)],
            "{text}"
        );
    }
    let on = |module: &str| {
        messages(
            "src/lib.rs",
            &format!("#[allow(clippy::disallowed_types)] pub mod {module};"),
        )
    };
    assert_eq!(on("runtime"), [""; 0]);
    assert_eq!(on("broker"), [lifted("disallowed_types")]);
    assert_eq!(
        messages(
            "src/log/mod.rs",
            "#[allow(clippy::too_many_arguments)] fn f() {}"
        ),
        [""; 0]
    );
}

#[test]
fn playground_reaching_into_the_checkout_is_found() {
    let lines = |text: &str| {
        let source = Source {
            file: "www/src/main.ts".to_owned(),
            text: text.to_owned(),
        };
        check_playground(&source)
            .into_iter()
            .map(|violation| violation.line)
            .collect::<Vec<_>>()
    };
    assert_eq!(lines("import { a } from '../../js/index.ts';\n"), [1]);
    assert_eq!(lines("\nconst a = await import(\"../../dist\");\n"), [2]);
    assert_eq!(
        lines("new URL(`../../pkg/tablog.wasm`, import.meta.url)"),
        [1]
    );
    assert_eq!(
        lines("import { Kafka } from 'tablog';\nimport './ui/tape.css';"),
        [0; 0]
    );
}

#[test]
fn a_long_file_is_found() {
    let of_lines = |lines: usize| Source {
        file: "js/a.ts".to_owned(),
        text: "\n".repeat(lines),
    };
    assert_eq!(check_length(&of_lines(FILE_LINES_MAX)), []);
    assert_eq!(check_length(&of_lines(FILE_LINES_MAX + 1)).len(), 1);
}

#[test]
fn a_registry_in_the_lock_file_is_found() {
    let text = "{\n  \"resolved\": \"https://registry.example/a.tgz\"\n}";
    let lock = Source {
        file: "package-lock.json".to_owned(),
        text: text.to_owned(),
    };
    assert_eq!(check_lock(&lock).len(), 1);
}
