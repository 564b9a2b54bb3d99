//! The rules for Rust: the arrows between rooms, and what stays in which room.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Attribute, Expr, ExprAsync, ExprClosure, ExprLit, Item, ItemExternCrate, ItemMod, ItemUse, Lit,
    Macro, Meta, Signature, Token, UseTree,
};

use crate::{Source, Violation};

/// The rooms from the top of the house to its bottom, and the shared modules under them; each with
/// what it may use.
const ARROWS: [(&str, &str); 16] = [
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
        "client broker coordinator replica metadata log record protocol storage machine planted distinct now",
    ),
    // A client knows the broker only by its frames.
    ("client", "record protocol machine planted now"),
    (
        "broker",
        "coordinator replica metadata log record protocol storage machine planted distinct now",
    ),
    (
        "coordinator",
        "replica metadata log record protocol storage machine planted distinct now",
    ),
    (
        "replica",
        "metadata log record protocol storage machine planted distinct now",
    ),
    (
        "metadata",
        "log record protocol storage machine planted distinct now",
    ),
    (
        "log",
        "record protocol storage machine planted distinct now",
    ),
    ("record", "protocol planted now"),
    ("protocol", ""),
    // The events and effects that every node speaks carry frames, and storage's requests and
    // replies.
    ("machine", "protocol storage now"),
    ("storage", "planted now"),
    ("planted", ""),
    ("distinct", ""),
    ("now", ""),
];

/// What the tests of a room may use beyond that: a client is tried on the coordinator that it will
/// meet, not on an imitation.
const ARROWS_OF_TESTS: [(&str, &str); 1] = [("client", "coordinator")];

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
pub const BROWSER_ROOMS: [&str; 3] = ["src/bindings/", "src/runtime/", "src/storage/indexed_db/"];

/// Where something may be awaited: storage's contract is asynchronous, the core is not.
const ASYNC_ROOMS: [&str; 3] = ["src/bindings/", "src/runtime/", "src/storage/"];

/// What of std reaches the machine. (`std::io` has traits for bytes in memory, too.)
const STD_OUTSIDE: [&str; 5] = ["fs", "net", "process", "thread", "env"];

/// Where generated code comes in.
const GENERATED: &str = "src/protocol/mod.rs";

/// The modules from which `lib.rs` may lift clippy's disallowed methods and types.
const ALLOWED_TO_LIFT: [&str; 2] = ["runtime", "indexed_db"];

/// The command of the simulator says how long it took: it is outside of the house.
const COMMAND: &str = "src/sim/main.rs";

/// What, written in an `allow`, would lift them: the lints and the groups that hold them.
const LIFTS: [&str; 6] = [
    "disallowed_methods",
    "disallowed_types",
    "disallowed_macros",
    "style",
    "all",
    "warnings",
];

/// Every broken rule of a Rust source.
pub fn check(source: &Source) -> Vec<Violation> {
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
        if first == "std"
            && let Some(outside) = segments.get(1)
            && STD_OUTSIDE.contains(&outside.as_str())
            && self.source.file != COMMAND
            && !self.is_of_tests()
        {
            self.violation(span, format!("`std::{outside}` in the house"));
        }
        if segments.ends_with(&["prelude".to_owned(), "wasm_bindgen".to_owned()])
            && !self.source.file.starts_with("src/bindings/")
        {
            let message = "`#[wasm_bindgen]` outside src/bindings";
            return self.violation(span, message.to_owned());
        }
        if BROWSER_CRATES.contains(&first.as_str()) || first == "wasm_bindgen" {
            if !BROWSER_ROOMS
                .iter()
                .any(|room| self.source.file.starts_with(room))
            {
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
                if to != from
                    && !allowed.split(' ').any(|room| room == to)
                    && !self.is_allowed_in_tests(from, to) =>
            {
                self.violation(span, format!("`{from}` may not use `{to}`"));
            }
            _ => {}
        }
    }

    fn is_of_tests(&self) -> bool {
        let file = &self.source.file;
        file.contains("/tests/") || file.ends_with("/tests.rs")
    }

    fn is_allowed_in_tests(&self, from: &str, to: &str) -> bool {
        self.is_of_tests()
            && ARROWS_OF_TESTS
                .iter()
                .any(|(room, more)| *room == from && more.split(' ').any(|room| room == to))
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

    fn asynchronous(&mut self, span: Span) {
        let file = &self.source.file;
        if !ASYNC_ROOMS.iter().any(|room| file.starts_with(room)) {
            let message = format!("asynchronous outside {}", ASYNC_ROOMS.join(", "));
            self.violation(span, message);
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
        if let Meta::NameValue(value) = meta
            && name == "path"
            && literal(&value.value).is_none_or(|path| path.contains(".."))
        {
            self.violation(meta.span(), "a module from elsewhere".to_owned());
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
                    && self.source.file != COMMAND
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

    fn visit_item_extern_crate(&mut self, item: &'ast ItemExternCrate) {
        self.violation(item.span(), "a second name for a crate".to_owned());
    }

    fn visit_signature(&mut self, signature: &'ast Signature) {
        if signature.asyncness.is_some() {
            self.asynchronous(signature.span());
        }
        visit::visit_signature(self, signature);
    }

    fn visit_expr_async(&mut self, expr: &'ast ExprAsync) {
        self.asynchronous(expr.span());
        visit::visit_expr_async(self, expr);
    }

    fn visit_expr_closure(&mut self, expr: &'ast ExprClosure) {
        if expr.asyncness.is_some() {
            self.asynchronous(expr.span());
        }
        visit::visit_expr_closure(self, expr);
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
        if mac.path.is_ident("include") && self.source.file != GENERATED {
            self.violation(mac.span(), "a source from elsewhere".to_owned());
        }
        self.tokens(mac.tokens.clone());
        visit::visit_macro(self, mac);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        self.meta(&attribute.meta, None);
    }
}

/// The text of a literal.
fn literal(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text.value()),
        _ => None,
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
