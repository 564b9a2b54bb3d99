//! The rules that need no syntax tree.

use crate::{Source, Violation};

/// Lines of a file; one that needs more holds more than one noun.
pub const FILE_LINES_MAX: usize = 800;

/// The lines of the playground that reach into the checkout instead of importing the package.
pub fn check_playground(source: &Source) -> Vec<Violation> {
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

/// A file that holds more than one noun.
pub fn check_length(source: &Source) -> Vec<Violation> {
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
pub fn check_lock(source: &Source) -> Vec<Violation> {
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
