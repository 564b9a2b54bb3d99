//! The tables in `src/protocol/schema`, read into values. `src/protocol/schema/README.md` has the
//! grammar.

/// One message: a request, a response, a header, or a record that Kafka keeps in an internal topic.
#[derive(Debug)]
pub struct Message {
    pub kind: Kind,
    pub name: String,
    pub versions: Versions,
    /// The versions with compact lengths and tagged fields (KIP-482).
    pub flexible: Versions,
    pub fields: Vec<Field>,
    /// Structs that several fields share.
    pub structs: Vec<Struct>,
}

/// What a message is for; the number is its API key or its record type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Request(i16),
    Response(i16),
    Header,
    Data,
    MetadataRecord(i16),
    /// A key of `__consumer_offsets` or `__transaction_state`.
    CoordinatorKey(i16),
    CoordinatorValue(i16),
}

#[derive(Debug)]
pub struct Struct {
    pub name: String,
    pub fields: Vec<Field>,
}

#[derive(Debug)]
pub struct Field {
    pub name: String,
    pub kind: Type,
    pub versions: Versions,
    pub nullable: Versions,
    /// Set: a tagged field, with this tag, in all of its versions.
    pub tag: Option<u32>,
    /// `flexible none`: keeps its old encoding in flexible versions (the client id of a request
    /// header, which a broker must be able to read before it knows the version).
    pub never_flexible: bool,
    pub default: Option<String>,
    /// May be left out, whatever its value, in a version that does not have it.
    pub ignorable: bool,
    /// The fields of the struct that is declared in place.
    pub fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    Bool,
    Int8,
    Int16,
    Uint16,
    Int32,
    Int64,
    String,
    Bytes,
    Uuid,
    Struct(String),
    Array(Box<Type>),
}

/// An inclusive range of versions; empty when `min > max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    pub min: i16,
    pub max: i16,
}

impl Versions {
    pub const NONE: Versions = Versions { min: 0, max: -1 };

    pub fn is_empty(self) -> bool {
        self.min > self.max
    }

    pub fn intersect(self, other: Versions) -> Versions {
        let both = Versions {
            min: self.min.max(other.min),
            max: self.max.min(other.max),
        };
        if both.is_empty() {
            Versions::NONE
        } else {
            both
        }
    }

    /// `3`, `3-5`, `3+` or `none`.
    fn parse(text: &str) -> Result<Versions, String> {
        let number = |digits: &str| {
            digits
                .parse::<i16>()
                .map_err(|_| format!("`{text}` is not a range of versions"))
        };
        if text == "none" {
            Ok(Versions::NONE)
        } else if let Some(min) = text.strip_suffix('+') {
            Ok(Versions {
                min: number(min)?,
                max: i16::MAX,
            })
        } else if let Some((min, max)) = text.split_once('-') {
            Ok(Versions {
                min: number(min)?,
                max: number(max)?,
            })
        } else {
            Ok(Versions {
                min: number(text)?,
                max: number(text)?,
            })
        }
    }
}

/// A line that is not blank, with its indentation in steps of two spaces.
struct Line<'a> {
    number: usize,
    depth: usize,
    text: &'a str,
}

/// Reads one table. An error begins with its line number.
pub fn parse(table: &str) -> Result<Vec<Message>, String> {
    let mut lines = Vec::new();
    for (index, raw) in table.lines().enumerate() {
        let text = raw.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let spaces = raw.len() - raw.trim_start().len();
        if spaces % 2 != 0 {
            return Err(format!(
                "{}: the indentation is not a multiple of two",
                index + 1
            ));
        }
        lines.push(Line {
            number: index + 1,
            depth: spaces / 2,
            text,
        });
    }
    let mut rest = &lines[..];
    let mut messages = Vec::new();
    while let Some((head, tail)) = rest.split_first() {
        let (body, others) = tail.split_at(block_len(tail, 1));
        messages.push(message(head, body)?);
        rest = others;
    }
    Ok(messages)
}

/// How many of the first lines lie at `depth` or deeper.
fn block_len(lines: &[Line], depth: usize) -> usize {
    lines.iter().take_while(|line| line.depth >= depth).count()
}

fn message(head: &Line, body: &[Line]) -> Result<Message, String> {
    let at = |error: String| format!("{}: {error}", head.number);
    let mut words = head.text.split_whitespace();
    let kind = words.next().unwrap_or_default();
    let mut number = || -> Result<i16, String> {
        let word = words.next().unwrap_or_default();
        word.parse()
            .map_err(|_| at(format!("`{word}` is not a key")))
    };
    let kind = match kind {
        "request" => Kind::Request(number()?),
        "response" => Kind::Response(number()?),
        "record" => Kind::MetadataRecord(number()?),
        "coordinator-key" => Kind::CoordinatorKey(number()?),
        "coordinator-value" => Kind::CoordinatorValue(number()?),
        "header" => Kind::Header,
        "data" => Kind::Data,
        other => return Err(at(format!("`{other}` is not a kind of message"))),
    };
    let name = words
        .next()
        .ok_or_else(|| at("no name".to_string()))?
        .to_string();
    let versions = Versions::parse(words.next().unwrap_or_default()).map_err(at)?;
    let flexible = match (words.next(), words.next()) {
        (None, _) => Versions::NONE,
        (Some("flexible"), Some(range)) => Versions::parse(range).map_err(at)?,
        (Some(word), _) => return Err(at(format!("`{word}` is not expected"))),
    };

    let (mut fields, mut structs) = (Vec::new(), Vec::new());
    let mut rest = body;
    while let Some((line, tail)) = rest.split_first() {
        let (inner, others) = tail.split_at(block_len(tail, 2));
        match line.text.strip_prefix("struct ") {
            Some(name) => {
                structs.push(Struct {
                    name: name.to_string(),
                    fields: self::fields(inner, 2)?,
                });
            }
            None => fields.push(field(line, inner)?),
        }
        rest = others;
    }
    Ok(Message {
        kind,
        name,
        versions,
        flexible,
        fields,
        structs,
    })
}

fn fields(lines: &[Line], depth: usize) -> Result<Vec<Field>, String> {
    let mut fields = Vec::new();
    let mut rest = lines;
    while let Some((line, tail)) = rest.split_first() {
        if line.depth != depth {
            return Err(format!("{}: the indentation does not fit", line.number));
        }
        let (inner, others) = tail.split_at(block_len(tail, depth + 1));
        fields.push(field(line, inner)?);
        rest = others;
    }
    Ok(fields)
}

fn field(line: &Line, inner: &[Line]) -> Result<Field, String> {
    let at = |error: String| format!("{}: {error}", line.number);
    let mut words = line.text.split_whitespace();
    let name = words.next().and_then(|word| word.strip_suffix(':'));
    let name = name.ok_or_else(|| at("a field begins with `name:`".to_string()))?;
    let kind = words.next().ok_or_else(|| at("no type".to_string()))?;
    let versions = Versions::parse(words.next().unwrap_or_default()).map_err(at)?;
    let mut field = Field {
        name: name.to_string(),
        kind: type_of(kind).map_err(at)?,
        versions,
        nullable: Versions::NONE,
        tag: None,
        never_flexible: false,
        default: None,
        ignorable: false,
        fields: fields(inner, line.depth + 1)?,
    };
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .ok_or_else(|| at(format!("`{word}` needs a value")))
        };
        match word {
            "nullable" => field.nullable = Versions::parse(value()?).map_err(at)?,
            "tag" => {
                let tag = value()?;
                let number = tag
                    .parse()
                    .map_err(|_| at(format!("`{tag}` is not a tag")))?;
                field.tag = Some(number);
            }
            "default" => field.default = Some(value()?.to_string()),
            "ignorable" => field.ignorable = true,
            "flexible" if value()? == "none" => field.never_flexible = true,
            _ => return Err(at(format!("`{word}` is not expected"))),
        }
    }
    Ok(field)
}

fn type_of(text: &str) -> Result<Type, String> {
    if let Some(element) = text.strip_prefix("[]") {
        return Ok(Type::Array(Box::new(type_of(element)?)));
    }
    Ok(match text {
        "bool" => Type::Bool,
        "int8" => Type::Int8,
        "int16" => Type::Int16,
        "uint16" => Type::Uint16,
        "int32" => Type::Int32,
        "int64" => Type::Int64,
        "string" => Type::String,
        "bytes" | "records" => Type::Bytes,
        "uuid" => Type::Uuid,
        name if name.starts_with(|first: char| first.is_ascii_uppercase()) => {
            Type::Struct(name.to_string())
        }
        other => return Err(format!("`{other}` is not a type")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_lie_below_the_struct_that_declares_them() {
        let table = "# a comment\nrequest 3 ARequest 0-2 flexible 2+\n  \
                     list: []Item 1+ nullable 2+ default null\n    id: int32 1+ tag 4 ignorable\n  \
                     last: string 0\n";
        let messages = parse(table).unwrap();
        assert_eq!(messages.len(), 1);
        let message = &messages[0];
        assert_eq!(
            (message.kind, message.name.as_str()),
            (Kind::Request(3), "ARequest")
        );
        assert_eq!(message.versions, Versions { min: 0, max: 2 });
        let [list, last] = &message.fields[..] else {
            panic!("{message:?}")
        };
        assert_eq!(
            list.kind,
            Type::Array(Box::new(Type::Struct("Item".to_string())))
        );
        assert_eq!(
            list.nullable,
            Versions {
                min: 2,
                max: i16::MAX
            }
        );
        assert_eq!(list.default.as_deref(), Some("null"));
        assert_eq!(
            (list.fields[0].name.as_str(), list.fields[0].tag),
            ("id", Some(4))
        );
        assert!(list.fields[0].ignorable);
        assert_eq!(last.versions, Versions { min: 0, max: 0 });
    }

    #[test]
    fn a_mistake_is_told_with_its_line() {
        let error = |table: &str| parse(table).unwrap_err();
        assert_eq!(
            error("requst 3 A 0"),
            "1: `requst` is not a kind of message"
        );
        assert_eq!(
            error("data A 0\n  x int32 0"),
            "2: a field begins with `name:`"
        );
        assert_eq!(error("data A 0\n  x: int 0"), "2: `int` is not a type");
        assert_eq!(
            error("data A 0\n  x: int8 zero"),
            "2: `zero` is not a range of versions"
        );
        assert_eq!(
            error("data A 0\n  x: int8 0 nulable 0"),
            "2: `nulable` is not expected"
        );
        assert_eq!(
            error("data A 0\n   x: int8 0"),
            "2: the indentation is not a multiple of two"
        );
        assert_eq!(
            error("data A 0\n  x: B 0\n      y: int8 0"),
            "3: the indentation does not fit"
        );
    }
}
