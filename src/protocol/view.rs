use std::fmt;

use bytes::Bytes;

use super::uuid::Uuid;

/// A message by the names of its fields, as one version has them: what traces and the playground
/// show. `Display` prints it as JSON.
#[derive(Clone, Debug, PartialEq)]
pub enum View {
    /// A field that is null.
    Null,
    /// BOOLEAN.
    Bool(bool),
    /// Any integer.
    Int(i64),
    /// STRING.
    Text(String),
    /// BYTES and RECORDS, shared with the frame. JSON shows only how many they are.
    Bytes(Bytes),
    /// UUID.
    Uuid(Uuid),
    /// An array.
    List(Vec<View>),
    /// A struct; its fields in the order of the table.
    Struct(Vec<(&'static str, View)>),
}

impl View {
    /// The field of that name, if this is a struct that has it.
    pub fn get(&self, name: &str) -> Option<&View> {
        match self {
            View::Struct(fields) => fields
                .iter()
                .find(|(field, _)| *field == name)
                .map(|(_, value)| value),
            _ => None,
        }
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            View::Null => f.write_str("null"),
            View::Bool(value) => write!(f, "{value}"),
            View::Int(value) => write!(f, "{value}"),
            View::Text(text) => write_json_string(f, text),
            View::Bytes(bytes) => write!(f, "{{\"bytes\":{}}}", bytes.len()),
            View::Uuid(uuid) => write!(f, "\"{uuid}\""),
            View::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if index == 0 { "" } else { "," })?;
                }
                f.write_str("]")
            }
            View::Struct(fields) => {
                f.write_str("{")?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}\"{name}\":{value}", if index == 0 { "" } else { "," })?;
                }
                f.write_str("}")
            }
        }
    }
}

fn write_json_string(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for letter in text.chars() {
        match letter {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            control if control < ' ' => write!(f, "\\u{:04x}", u32::from(control))?,
            other => write!(f, "{other}")?,
        }
    }
    f.write_str("\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_json_that_a_parser_reads() {
        let view = View::Struct(vec![
            ("name", View::Text("a\"b\\\n\u{1}é".to_string())),
            (
                "list",
                View::List(vec![View::Int(-1), View::Null, View::Bool(true)]),
            ),
            ("records", View::Bytes(Bytes::from_static(b"abc"))),
        ]);
        assert_eq!(
            view.to_string(),
            r#"{"name":"a\"b\\\n\u0001é","list":[-1,null,true],"records":{"bytes":3}}"#
        );
    }
}
