//! Messages of any kind and version as random bytes, by walking the tables: a second, much simpler
//! encoder beside the generated one.

use std::path::Path;

use tablog::protocol::Uuid;

use crate::schema::{self, Field, Message, Type, Versions};

/// Every message of every table.
pub fn messages() -> Vec<Message> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/protocol/schema");
    let mut messages = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "table")
        {
            let table = std::fs::read_to_string(&path).unwrap();
            messages.extend(schema::parse(&table).unwrap());
        }
    }
    messages
}

/// Choices, taken from bytes that proptest can shrink. Without bytes every choice is 0.
pub struct Entropy<'a> {
    bytes: &'a [u8],
}

impl<'a> Entropy<'a> {
    pub fn new(bytes: &'a [u8]) -> Entropy<'a> {
        Entropy { bytes }
    }

    fn byte(&mut self) -> u8 {
        match self.bytes.split_first() {
            Some((first, rest)) => {
                self.bytes = rest;
                *first
            }
            None => 0,
        }
    }

    fn below(&mut self, end: u8) -> u8 {
        self.byte() % end
    }

    /// A number of `len` bytes that differs from every default in the tables.
    fn number(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        bytes[len - 1] = 3 + self.below(100);
        if len > 1 {
            bytes[len - 2] = self.below(100);
        }
        bytes
    }

    fn text(&mut self, len: u8) -> Vec<u8> {
        (0..len).map(|_| b'a' + self.below(26)).collect()
    }
}

/// The bytes of one value of `message` in `version`, in the form that an encoder would write: a
/// tagged field is only there when it differs from its default.
pub fn random_message(message: &Message, version: i16, entropy: &mut Entropy) -> Vec<u8> {
    let mut writer = Writer {
        message,
        version,
        out: Vec::new(),
    };
    writer.put_fields(&message.fields, entropy);
    writer.out
}

struct Writer<'a> {
    message: &'a Message,
    version: i16,
    out: Vec<u8>,
}

impl Writer<'_> {
    fn is_in(&self, versions: Versions) -> bool {
        versions.min <= self.version && self.version <= versions.max
    }

    fn is_flexible(&self) -> bool {
        self.is_in(self.message.flexible)
    }

    fn put_fields(&mut self, fields: &[Field], entropy: &mut Entropy) {
        for field in fields {
            if self.is_in(field.versions) && field.tag.is_none() {
                self.put_field(field, false, entropy);
            }
        }
        if self.is_flexible() {
            self.put_tagged_fields(fields, entropy);
        }
    }

    fn put_tagged_fields(&mut self, fields: &[Field], entropy: &mut Entropy) {
        let mut tagged: Vec<(u32, Vec<u8>)> = Vec::new();
        for field in fields {
            let Some(tag) = field.tag else { continue };
            if self.is_in(field.versions) && entropy.below(2) == 1 {
                let before = std::mem::take(&mut self.out);
                self.put_field(field, true, entropy);
                tagged.push((tag, std::mem::replace(&mut self.out, before)));
            }
        }
        for unknown in 0..entropy.below(3) {
            tagged.push((10_000 + u32::from(unknown), entropy.text(3)));
        }
        tagged.sort();
        self.put_varint(tagged.len() as u32);
        for (tag, bytes) in tagged {
            self.put_varint(tag);
            self.put_varint(bytes.len() as u32);
            self.out.extend(bytes);
        }
    }

    /// `present`: neither null, nor empty, nor 0.
    fn put_field(&mut self, field: &Field, present: bool, entropy: &mut Entropy) {
        let flexible = self.is_flexible() && !field.never_flexible;
        if !present && self.is_in(field.nullable) && entropy.below(4) == 1 {
            self.put_length(&field.kind, None, flexible);
        } else {
            self.put_value(&field.kind, field, present, flexible, entropy);
        }
    }

    fn put_value(
        &mut self,
        kind: &Type,
        field: &Field,
        present: bool,
        flexible: bool,
        entropy: &mut Entropy,
    ) {
        let least = u8::from(present);
        match kind {
            // A tagged boolean is there when it is not its default, which is false.
            Type::Bool => self.out.push(least.max(entropy.below(2))),
            Type::Int8 => self.out.extend(entropy.number(1)),
            Type::Int16 | Type::Uint16 => self.out.extend(entropy.number(2)),
            Type::Int32 => self.out.extend(entropy.number(4)),
            Type::Int64 => self.out.extend(entropy.number(8)),
            Type::Uuid => {
                let mut uuid = Uuid::ZERO;
                uuid.0[0] = entropy.byte();
                uuid.0[15] = 1 + entropy.below(100);
                self.out.extend(uuid.0);
            }
            Type::String | Type::Bytes => {
                let len = least + entropy.below(4);
                let text = entropy.text(len);
                self.put_length(kind, Some(text.len()), flexible);
                self.out.extend(text);
            }
            Type::Array(element) => {
                let count = least + entropy.below(3);
                self.put_length(kind, Some(usize::from(count)), flexible);
                for _ in 0..count {
                    self.put_value(element, field, present, flexible, entropy);
                }
            }
            Type::Struct(name) => {
                let shared = self
                    .message
                    .structs
                    .iter()
                    .find(|shared| shared.name == *name);
                let fields = shared.map_or(&field.fields, |shared| &shared.fields);
                self.put_fields(fields, entropy);
            }
        }
    }

    fn put_length(&mut self, kind: &Type, length: Option<usize>, flexible: bool) {
        match (kind, flexible, length) {
            (_, true, length) => self.put_varint(length.map_or(0, |length| length as u32 + 1)),
            (Type::String, false, length) => {
                self.out
                    .extend(length.map_or(-1, |length| length as i16).to_be_bytes());
            }
            (_, false, length) => {
                self.out
                    .extend(length.map_or(-1, |length| length as i32).to_be_bytes());
            }
        }
    }

    fn put_varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.out.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }
}
