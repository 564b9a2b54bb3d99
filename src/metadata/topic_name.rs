//! Which names a topic may have.

/// The longest name of a topic, in bytes (`Topic.MAX_NAME_LENGTH`): a directory's name in Kafka.
const TOPIC_NAME_BYTES_MAX: usize = 249;

/// Whether a topic may have the name; if not, Kafka's message (`Topic.validate`).
pub fn validate_topic_name(name: &str) -> Result<(), String> {
    let invalid = |why: &str| Err(format!("Topic name is invalid: {why}"));
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match name {
        "" => invalid("the empty string is not allowed"),
        "." | ".." => invalid(&format!("'{name}' is not allowed")),
        _ if name.len() > TOPIC_NAME_BYTES_MAX => invalid(&format!(
            "the length of '{name}' is longer than the max allowed length {TOPIC_NAME_BYTES_MAX}"
        )),
        _ if !name.chars().all(is_allowed) => invalid(&format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' \
             and '-'"
        )),
        _ => Ok(()),
    }
}

/// Two topics may not have the same key: Kafka's metrics cannot tell `.` from `_`.
pub(super) fn collision_key(name: &str) -> String {
    name.replace('.', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_refused_in_kafkas_words() {
        for (name, why) in [
            ("", "the empty string is not allowed"),
            (".", "'.' is not allowed"),
            ("..", "'..' is not allowed"),
            (
                "a b",
                "'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' \
                 and '-'",
            ),
        ] {
            assert_eq!(
                validate_topic_name(name),
                Err(format!("Topic name is invalid: {why}"))
            );
        }
        assert!(validate_topic_name(&"x".repeat(250)).is_err());
        assert_eq!(validate_topic_name(&"x".repeat(249)), Ok(()));
        assert_eq!(validate_topic_name("Az.0_9-"), Ok(()));
        assert!(validate_topic_name("é").is_err());
    }
}
