//! Violations, planted to show that each rule finds what it exists for, and only that.

use crate::Source;
use crate::house::{BROWSER_ROOMS, check};
use crate::text::{FILE_LINES_MAX, check_length, check_lock, check_playground};

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
fn the_tests_of_a_client_may_drive_the_real_coordinator() {
    let text = "use crate::coordinator::group::GroupShard;";
    assert_eq!(messages("src/client/tests/cluster.rs", text), [""; 0]);
    assert_eq!(
        messages("src/client/cluster.rs", text),
        ["`client` may not use `coordinator`"]
    );
    assert_eq!(
        messages("src/log/tests.rs", text),
        ["`log` may not use `coordinator`"]
    );
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
        "use wasm_bindgen::prelude::wasm_bindgen as exported;",
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
        ("use js_sys as clocks;", "js_sys"),
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
fn nothing_comes_in_under_another_name_or_from_elsewhere() {
    for (text, message) in [
        ("extern crate js_sys as j;", "a second name for a crate"),
        ("extern crate self as me;", "a second name for a crate"),
        (
            "#[path = \"../broker/mod.rs\"] mod broker;",
            "a module from elsewhere",
        ),
        ("include!(\"../broker/mod.rs\");", "a source from elsewhere"),
    ] {
        assert_eq!(messages("src/log/mod.rs", text), [message], "{text}");
    }
    let text = "#[path = \"tests/producer_state.rs\"] mod tests;";
    assert_eq!(messages("src/log/producer_state.rs", text), [""; 0]);
}

#[test]
fn the_core_does_not_reach_the_machine() {
    for (text, name) in [
        ("fn f() { std::fs::read(\"a\"); }", "fs"),
        ("use std::{fs, collections::BTreeMap};", "fs"),
        ("use std::net::UdpSocket;", "net"),
        ("fn f() { std::process::exit(1) }", "process"),
        ("fn f() { std::thread::current(); }", "thread"),
        ("fn f() { m!(std::env::args()) }", "env"),
    ] {
        let found = format!("`std::{name}` in the house");
        assert_eq!(messages("src/log/mod.rs", text), [found], "{text}");
        assert_eq!(messages("src/sim/main.rs", text), [""; 0], "{text}");
        assert_eq!(messages("src/log/tests/read.rs", text), [""; 0], "{text}");
    }
}

#[test]
fn the_core_awaits_nothing() {
    for text in [
        "async fn f() {}",
        "trait Log { async fn read(&self); }",
        "fn f() { g(async { h().await }) }",
        "fn f() { g(async || ()) }",
    ] {
        let found = messages("src/log/mod.rs", text);
        assert!(
            !found.is_empty()
                && found
                    .iter()
                    .all(|it| it.starts_with("asynchronous outside")),
            "{text}: {found:?}"
        );
        assert_eq!(messages("src/storage/memory.rs", text), [""; 0], "{text}");
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
    let text = "#![allow(clippy::disallowed_methods)]";
    assert_eq!(messages("src/sim/main.rs", text), [""; 0]);
    assert_eq!(
        messages("src/sim/cluster.rs", text),
        [lifted("disallowed_methods")]
    );
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
