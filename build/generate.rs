//! Writes the Rust of the messages: structs, encoder, decoder, view, and the enums over all APIs.

use std::fmt::Write;

use crate::names::snake_case;
use crate::schema::{Field, Kind, Message, Type, Versions};

/// The whole of `messages.rs`.
pub fn generate(messages: &[Message]) -> String {
    let mut out = String::new();
    for message in messages {
        let module = snake_case(&message.name);
        put(
            &mut out,
            format!("/// [`{0}`]({module}::{0}) and its structs.", message.name),
        );
        put(&mut out, format!("pub mod {module} {{"));
        put(&mut out, "use super::prelude::*;");
        put_struct(&mut out, message, &message.name, &message.fields, true);
        for shared in &message.structs {
            put_struct(&mut out, message, &shared.name, &shared.fields, false);
        }
        put(&mut out, "}");
    }
    put_api_enum(&mut out, messages, "Request", |kind| match kind {
        Kind::Request(key) => Some(key),
        _ => None,
    });
    put_api_enum(&mut out, messages, "Response", |kind| match kind {
        Kind::Response(key) => Some(key),
        _ => None,
    });
    put_header_versions(&mut out, messages);
    put_coordinator_keys(&mut out, messages);
    put_metadata_records(&mut out, messages);
    out
}

fn put(out: &mut String, text: impl AsRef<str>) {
    out.push_str(text.as_ref());
    out.push('\n');
}

/// A struct and, after it, the structs that its fields declare.
fn put_struct(out: &mut String, message: &Message, name: &str, fields: &[Field], is_message: bool) {
    let has_tags = !message.flexible.is_empty();
    put(out, "#[derive(Clone, Debug, PartialEq)]");
    put(out, format!("pub struct {name} {{"));
    for field in fields {
        put(out, format!("pub {}: {},", field.name, rust_type(field)));
    }
    if has_tags {
        put(out, "pub unknown_tagged_fields: Vec<(u32, Bytes)>,");
    }
    put(out, "}");

    put(
        out,
        format!("impl Default for {name} {{ fn default() -> Self {{ Self {{"),
    );
    for field in fields {
        put(out, format!("{}: {},", field.name, default_value(field)));
    }
    if has_tags {
        put(out, "unknown_tagged_fields: Vec::new(),");
    }
    put(out, "} } }");

    let Versions { min, max } = message.versions;
    put(out, format!("impl Message for {name} {{"));
    put(out, format!("const NAME: &'static str = \"{name}\";"));
    put(
        out,
        format!("const VERSIONS: VersionRange = VersionRange {{ min: {min}, max: {max} }};"),
    );
    put_encode(out, message, name, fields, is_message);
    put_decode(out, message, fields, is_message);
    put_view(out, message, fields);
    put(out, "}");

    for field in fields.iter().filter(|field| !field.fields.is_empty()) {
        put_struct(out, message, struct_name(&field.kind), &field.fields, false);
    }
}

fn put_encode(out: &mut String, message: &Message, name: &str, fields: &[Field], is_message: bool) {
    put(
        out,
        "fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {",
    );
    if is_message {
        put(
            out,
            "if !Self::VERSIONS.contains(version) { return Err(EncodeError::UnsupportedVersion \
             { message: Self::NAME, version }); }",
        );
    }
    let flexible = put_flexible(out, message);
    let all = message.versions;
    for field in fields.iter().filter(|field| field.tag.is_none()) {
        let versions = field.versions.intersect(all);
        let mut write = null_check(field, name, versions);
        let flexible = if field.never_flexible {
            "false"
        } else {
            flexible
        };
        write += &format!("self.{}.put(out, version, {flexible})?;", field.name);
        put_if_in_version(out, versions, all, &write, &absent_check(field, name));
    }
    if message.flexible.is_empty() {
        put(out, "Ok(()) }");
        return;
    }

    let tagged: Vec<&Field> = fields.iter().filter(|field| field.tag.is_some()).collect();
    if !tagged.is_empty() {
        put(out, "let mut tagged = TaggedFields::default();");
    }
    for field in &tagged {
        let versions = field.versions.intersect(all);
        let tag = field.tag.unwrap_or_default();
        let write = format!(
            "if {} {{ {} tagged.put({tag}, &self.{}, version)?; }}",
            is_not_default(field),
            null_check(field, name, versions),
            field.name
        );
        put_if_in_version(out, versions, all, &write, &absent_check(field, name));
    }
    put(out, format!("if {flexible} {{"));
    let tags = if tagged.is_empty() {
        "TaggedFields::default()"
    } else {
        "tagged"
    };
    put(
        out,
        format!("{tags}.finish(&self.unknown_tagged_fields, out)?;"),
    );
    put(
        out,
        "} else if !self.unknown_tagged_fields.is_empty() { return Err(\
         EncodeError::TaggedFieldsNotInVersion { message: Self::NAME, version }); }",
    );
    put(out, "Ok(()) }");
}

fn put_decode(out: &mut String, message: &Message, fields: &[Field], is_message: bool) {
    put(
        out,
        "fn decode(version: i16, input: &mut Reader) -> Result<Self, DecodeError> {",
    );
    if is_message {
        put(
            out,
            "if !Self::VERSIONS.contains(version) { return Err(DecodeError::UnsupportedVersion \
             { message: Self::NAME, version }); }",
        );
    }
    let flexible = put_flexible(out, message);
    put(out, "let mut value = Self::default();");
    let all = message.versions;
    for field in fields.iter().filter(|field| field.tag.is_none()) {
        let versions = field.versions.intersect(all);
        let flexible = if field.never_flexible {
            "false"
        } else {
            flexible
        };
        let read = read(field, versions, "input", flexible);
        put_if_in_version(out, versions, all, &read, "");
    }
    if message.flexible.is_empty() {
        put(out, "Ok(value) }");
        return;
    }

    let tagged = |field: &&Field| field.tag.is_some() && !field.versions.intersect(all).is_empty();
    let mutable = if fields.iter().any(|field| tagged(&field)) {
        "mut"
    } else {
        ""
    };
    put(
        out,
        format!("if {flexible} {{ input.tagged_fields(|tag, {mutable} field| {{ match tag {{"),
    );
    for field in fields.iter().filter(tagged) {
        let tag = field.tag.unwrap_or_default();
        let versions = field.versions.intersect(all);
        let guard = match condition(versions, all) {
            Some(condition) => format!("if {condition}"),
            None => String::new(),
        };
        let read = read(field, versions, "&mut field", "true");
        put(
            out,
            format!("{tag} {guard} => {{ {read} field.finish()?; }}"),
        );
    }
    put(
        out,
        "_ => value.unknown_tagged_fields.push((tag, field.rest())),",
    );
    put(out, "} Ok(()) })?; }");
    put(out, "Ok(value) }");
}

fn put_view(out: &mut String, message: &Message, fields: &[Field]) {
    let all = message.versions;
    let pushes: Vec<(Versions, String)> = fields
        .iter()
        .map(|field| {
            let name = &field.name;
            let push = format!("fields.push((\"{name}\", Field::view(&self.{name}, version)));");
            (field.versions.intersect(all), push)
        })
        .filter(|(versions, _)| !versions.is_empty())
        .collect();
    if pushes.is_empty() {
        put(
            out,
            "fn view(&self, _: i16) -> View { View::Struct(Vec::new()) }",
        );
        return;
    }
    put(out, "fn view(&self, version: i16) -> View {");
    put(
        out,
        format!("let mut fields = Vec::with_capacity({});", pushes.len()),
    );
    for (versions, push) in pushes {
        put_if_in_version(out, versions, all, &push, "");
    }
    put(out, "View::Struct(fields) }");
}

/// The expression that says whether `version` is flexible, after the statement that it needs.
fn put_flexible(out: &mut String, message: &Message) -> &'static str {
    let flexible = message.flexible.intersect(message.versions);
    match condition(flexible, message.versions) {
        _ if flexible.is_empty() => "false",
        None => "true",
        Some(condition) => {
            put(out, format!("let flexible = {condition};"));
            "flexible"
        }
    }
}

/// `then` in `versions`, `otherwise` in the other versions of `all`.
fn put_if_in_version(
    out: &mut String,
    versions: Versions,
    all: Versions,
    then: &str,
    otherwise: &str,
) {
    match condition(versions, all) {
        _ if versions.is_empty() => put(out, otherwise),
        None => put(out, then),
        Some(condition) if otherwise.is_empty() => {
            put(out, format!("if {condition} {{ {then} }}"));
        }
        Some(condition) => {
            put(
                out,
                format!("if {condition} {{ {then} }} else {{ {otherwise} }}"),
            );
        }
    }
}

/// The test for `versions` among `all`; `None` when it always holds.
fn condition(versions: Versions, all: Versions) -> Option<String> {
    let Versions { min, max } = versions;
    match (min > all.min, max < all.max) {
        (false, false) => None,
        (true, false) => Some(format!("version >= {min}")),
        (false, true) => Some(format!("version <= {max}")),
        (true, true) if min == max => Some(format!("version == {min}")),
        (true, true) => Some(format!("({min}..={max}).contains(&version)")),
    }
}

/// Refuses null in those of `versions` that have the field but not its null.
fn null_check(field: &Field, name: &str, versions: Versions) -> String {
    let nullable = field.nullable.intersect(versions);
    if !is_option(field) || nullable == versions {
        return String::new();
    }
    let in_nullable = match condition(nullable, versions) {
        _ if nullable.is_empty() => "false".to_string(),
        Some(condition) => condition,
        None => "true".to_string(),
    };
    format!(
        "if self.{0}.is_none() && !({in_nullable}) {{ return Err(EncodeError::NullNotInVersion \
         {{ message: \"{name}\", field: \"{0}\", version }}); }}",
        field.name
    )
}

/// Refuses a value that matters in a version that does not have the field.
fn absent_check(field: &Field, name: &str) -> String {
    if field.ignorable {
        return String::new();
    }
    format!(
        "if {1} {{ return Err(EncodeError::FieldNotInVersion \
         {{ message: \"{name}\", field: \"{0}\", version }}); }}",
        field.name,
        is_not_default(field),
    )
}

/// The statement that takes the field from `input` in `versions`.
fn read(field: &Field, versions: Versions, input: &str, flexible: &str) -> String {
    let take = format!("Field::take({input}, version, {flexible})?");
    let nullable = field.nullable.intersect(versions);
    let name = &field.name;
    if !is_option(field) || nullable == versions {
        return format!("value.{name} = {take};");
    }
    match condition(nullable, versions) {
        Some(condition) if !nullable.is_empty() => {
            format!("value.{name} = if {condition} {{ {take} }} else {{ Some({take}) }};")
        }
        _ => format!("value.{name} = Some({take});"),
    }
}

fn is_option(field: &Field) -> bool {
    !field.nullable.is_empty()
}

fn rust_type(field: &Field) -> String {
    let base = base_type(&field.kind);
    if is_option(field) {
        format!("Option<{base}>")
    } else {
        base
    }
}

fn base_type(kind: &Type) -> String {
    match kind {
        Type::Bool => "bool".into(),
        Type::Int8 => "i8".into(),
        Type::Int16 => "i16".into(),
        Type::Uint16 => "u16".into(),
        Type::Int32 => "i32".into(),
        Type::Int64 => "i64".into(),
        Type::String => "String".into(),
        Type::Bytes => "Bytes".into(),
        Type::Uuid => "Uuid".into(),
        Type::Struct(name) => name.clone(),
        Type::Array(element) => format!("Vec<{}>", base_type(element)),
    }
}

fn struct_name(kind: &Type) -> &str {
    match kind {
        Type::Struct(name) => name,
        Type::Array(element) => struct_name(element),
        other => panic!("{other:?} has fields"),
    }
}

fn default_value(field: &Field) -> String {
    match (field.default.as_deref(), is_option(field)) {
        (Some("null"), true) => "None".into(),
        (Some(value), false) => value.into(),
        (None, true) => "Some(Default::default())".into(),
        (None, false) => "Default::default()".into(),
        (Some(value), true) => panic!("{}: the default {value} is not null", field.name),
    }
}

/// The test that a field has a value other than its default.
fn is_not_default(field: &Field) -> String {
    let name = &field.name;
    match (&field.kind, field.default.as_deref(), is_option(field)) {
        (_, Some("null"), _) => format!("self.{name}.is_some()"),
        (_, _, true) => format!("self.{name} != Some(Default::default())"),
        (Type::Bool, Some("true"), _) => format!("!self.{name}"),
        (Type::Bool, _, _) => format!("self.{name}"),
        (Type::String | Type::Bytes | Type::Array(_), _, _) => format!("!self.{name}.is_empty()"),
        (Type::Uuid, _, _) => format!("!self.{name}.is_zero()"),
        (Type::Struct(struct_name), _, _) => format!("self.{name} != {struct_name}::default()"),
        (_, default, _) => format!("self.{name} != {}", default.unwrap_or("0")),
    }
}

/// `enum Request` or `enum Response`: one variant an API.
fn put_api_enum(
    out: &mut String,
    messages: &[Message],
    suffix: &str,
    key_of: impl Fn(Kind) -> Option<i16>,
) {
    let mut apis: Vec<(i16, &str)> = messages
        .iter()
        .filter_map(|message| Some((key_of(message.kind)?, message.name.strip_suffix(suffix)?)))
        .collect();
    apis.sort();
    let path = |api: &str| format!("{}::{api}{suffix}", snake_case(&format!("{api}{suffix}")));
    let arms = |out: &mut String, arm: &dyn Fn(&str) -> String| {
        for (_, api) in &apis {
            put(out, arm(api));
        }
    };

    put(
        out,
        format!("/// The body of a {}, of any API.", suffix.to_lowercase()),
    );
    put(
        out,
        format!("#[derive(Clone, Debug, PartialEq)] pub enum {suffix} {{"),
    );
    arms(out, &|api| format!("{api}({}),", path(api)));
    put(out, "}");
    put(out, format!("impl {suffix} {{"));
    put(out, "/// The API that it belongs to.");
    put(out, "pub fn api_key(&self) -> ApiKey { match self {");
    arms(out, &|api| format!("Self::{api}(_) => ApiKey::{api},"));
    put(out, "} }");
    put(out, "/// Appends the body, without its header, to `out`.");
    put(
        out,
        "pub fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> \
         { match self {",
    );
    arms(out, &|api| {
        format!("Self::{api}(body) => body.encode(version, out),")
    });
    put(out, "} }");
    put(out, "/// Takes the body, without its header, from `input`.");
    put(
        out,
        "pub fn decode(api_key: ApiKey, version: i16, input: &mut Reader) \
         -> Result<Self, DecodeError> { match api_key {",
    );
    arms(out, &|api| {
        format!("ApiKey::{api} => Message::decode(version, input).map(Self::{api}),")
    });
    put(out, "} }");
    put(out, "/// The fields of that version by name.");
    put(
        out,
        "pub fn view(&self, version: i16) -> View { match self {",
    );
    arms(out, &|api| {
        format!("Self::{api}(body) => Message::view(body, version),")
    });
    put(out, "} }");
    put(out, "}");
    for (_, api) in &apis {
        put(
            out,
            format!(
                "impl From<{0}> for {suffix} {{ fn from(body: {0}) -> Self {{ Self::{api}(body) }} }}",
                path(api)
            ),
        );
    }
}

/// Which versions of each API are flexible, and so have the newer header.
fn put_header_versions(out: &mut String, messages: &[Message]) {
    put(out, "impl ApiKey {");
    put(
        out,
        "/// The first version with compact lengths and tagged fields (KIP-482), if any has.",
    );
    put(
        out,
        "pub const fn flexible_from(self) -> Option<i16> { match self {",
    );
    for message in messages {
        if let Kind::Request(_) = message.kind {
            let api = message.name.trim_end_matches("Request");
            let flexible = message.flexible.intersect(message.versions);
            let value = match flexible.is_empty() {
                true => "None".to_string(),
                false => format!("Some({})", message.flexible.min),
            };
            put(out, format!("ApiKey::{api} => {value},"));
        }
    }
    put(out, "} } }");
}

/// The record types of the keys in `__consumer_offsets` and `__transaction_state`.
fn put_coordinator_keys(out: &mut String, messages: &[Message]) {
    for message in messages {
        if let Kind::CoordinatorKey(record_type) = message.kind {
            let name = &message.name;
            let module = snake_case(name);
            put(out, format!("impl CoordinatorKey for {module}::{name} {{"));
            put(out, format!("const RECORD_TYPE: i16 = {record_type}; }}"));
        }
    }
}

/// `enum MetadataRecord`: one variant a record type of `__cluster_metadata`.
fn put_metadata_records(out: &mut String, messages: &[Message]) {
    let mut records: Vec<(i16, &str, i16)> = messages
        .iter()
        .filter_map(|message| match message.kind {
            Kind::MetadataRecord(key) => Some((key, message.name.as_str(), message.versions.max)),
            _ => None,
        })
        .collect();
    records.sort();
    let variant = |name: &str| name.trim_end_matches("Record").to_string();
    let mut text = String::new();
    let arms = |arm: &dyn Fn(i16, &str, i16) -> String| {
        records
            .iter()
            .fold(String::new(), |mut arms, (key, name, version)| {
                let _ = writeln!(arms, "{}", arm(*key, name, *version));
                arms
            })
    };
    text += "/// A record of `__cluster_metadata`.\n";
    text += "#[derive(Clone, Debug, PartialEq)] pub enum MetadataRecord {\n";
    text += &arms(&|_, name, _| format!("{}({}::{name}),", variant(name), snake_case(name)));
    text += "}\nimpl MetadataRecord {\n";
    text += "/// The number of its type in Kafka's `MetadataRecordType`.\n";
    text += "pub fn record_type(&self) -> i16 { match self {\n";
    text += &arms(&|key, name, _| format!("Self::{}(_) => {key},", variant(name)));
    text += "} }\n/// The newest version of its type.\n";
    text += "pub fn version_max(&self) -> i16 { match self {\n";
    text += &arms(&|_, name, version| format!("Self::{}(_) => {version},", variant(name)));
    text += "} }\n/// Appends the record, without its frame, to `out`.\n";
    text += "pub fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> \
             { match self {\n";
    text += &arms(&|_, name, _| {
        format!(
            "Self::{}(record) => record.encode(version, out),",
            variant(name)
        )
    });
    text += "} }\n/// Takes the record, without its frame, from `input`.\n";
    text += "pub fn decode(record_type: i16, version: i16, input: &mut Reader) \
             -> Result<Self, DecodeError> { match record_type {\n";
    text += &arms(&|key, name, _| {
        format!(
            "{key} => Message::decode(version, input).map(Self::{}),",
            variant(name)
        )
    });
    text += "key => Err(DecodeError::UnknownRecord { key }),\n";
    text += "} }\n/// The fields of that version by name.\n";
    text += "pub fn view(&self, version: i16) -> View { match self {\n";
    text += &arms(&|_, name, _| {
        format!(
            "Self::{}(record) => Message::view(record, version),",
            variant(name)
        )
    });
    text += "} }\n}\n";
    text += &records
        .iter()
        .fold(String::new(), |mut impls, (_, name, _)| {
            let path = format!("{}::{name}", snake_case(name));
            let _ = writeln!(
                impls,
                "impl From<{path}> for MetadataRecord {{ fn from(record: {path}) -> Self \
             {{ Self::{}(record) }} }}",
                variant(name)
            );
            impls
        });
    put(out, text);
}
