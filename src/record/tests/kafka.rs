//! Against Apache Kafka's own classes: bytes that Kafka wrote are read alike, bytes that are
//! written here have been read by Kafka. `tests/fixtures/records/make` made the fixtures.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/records")
        .join(name)
}

fn read_batch(name: &str) -> Bytes {
    fs::read(fixture(&format!("{name}.batch"))).unwrap().into()
}

fn read_text(name: &str) -> String {
    fs::read_to_string(fixture(&format!("{name}.txt"))).unwrap()
}

/// What `print` of Records.java writes.
fn print(bytes: &Bytes) -> String {
    let mut out = String::new();
    for batch in batches(bytes).strict() {
        let (header, batch) = batch.unwrap();
        BatchHeader::ensure_valid(&batch).unwrap();
        writeln!(
            out,
            "batch {}..{} {} bytes epoch {} crc {:08x} {} {:?}{}{} horizon {} max {} producer {}/{} {}..{} count {}",
            header.base_offset,
            header.last_offset(),
            header.size_in_bytes(),
            header.partition_leader_epoch,
            header.crc,
            header.compression().unwrap().name(),
            header.timestamp_type(),
            if header.is_transactional() { " transactional" } else { "" },
            if header.is_control() { " control" } else { "" },
            header.delete_horizon_ms().unwrap_or(-1),
            header.max_timestamp,
            header.producer_id,
            header.producer_epoch,
            header.base_sequence,
            header.last_sequence(),
            header.record_count,
        )
        .unwrap();
        for record in decode(&batch).unwrap() {
            let (key, value) = (print_bytes(&record.key), print_bytes(&record.value));
            write!(out, "{} {} {key} {value}", record.offset, record.timestamp).unwrap();
            for header in &record.headers {
                write!(out, " {}={}", header.key_text(), print_bytes(&header.value)).unwrap();
            }
            out.push('\n');
        }
    }
    out
}

fn print_bytes(bytes: &Option<Bytes>) -> String {
    match bytes {
        None => "null".into(),
        Some(bytes) if bytes.len() > 32 => {
            format!("{} bytes {:08x}", bytes.len(), crc32c(bytes))
        }
        Some(bytes) => {
            format!(
                "[{}]",
                bytes
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect::<String>()
            )
        }
    }
}

/// The records of Records.java.
fn records_of_the_fixture(codec: Compression) -> BatchBuilder {
    let headers = [
        ("k", text("1")),
        ("größe", None),
        ("k", text("")),
        ("", None),
    ]
    .map(|(key, value)| Header {
        key: Bytes::from_static(key.as_bytes()),
        value,
    });
    let mut headers = headers.to_vec();
    headers[3].value = Some(Bytes::from_static(&[0, 0xff]));
    let long = "tablog ".repeat(if codec == Compression::None {
        5
    } else {
        20_000
    });
    let mut builder = BatchBuilder::new(codec);
    builder
        .append(1_700_000_000_123, Some(b"key"), Some(b"value"), &headers)
        .unwrap();
    builder
        .append(1_700_000_000_100, None, Some(b""), &[])
        .unwrap();
    builder
        .append(1_700_000_099_999, Some(b""), None, &[])
        .unwrap();
    builder
        .append(1_700_000_000_123, None, Some(long.as_bytes()), &[])
        .unwrap();
    builder
}

const FIELDS: BatchFields = BatchFields {
    base_offset: 1_000_000_000_000,
    partition_leader_epoch: 5,
    producer_id: 4711,
    producer_epoch: 12,
    base_sequence: i32::MAX - 1,
    is_transactional: true,
    is_control: false,
};

#[test]
fn what_kafka_writes_is_read_as_kafka_reads_it() {
    for codec in Compression::ALL {
        let name = format!("kafka-{}", codec.name());
        let batch = read_batch(&name);
        assert_eq!(print(&batch), read_text(&name));
        let built = records_of_the_fixture(codec).build(FIELDS);
        assert_eq!(decode(&batch), decode(&built), "{codec:?}");
    }
}

#[test]
fn without_a_codec_the_bytes_are_kafkas() {
    let built = records_of_the_fixture(Compression::None).build(FIELDS);
    assert_eq!(built, read_batch("kafka-none"));
    for (name, result) in [
        ("kafka-commit", TransactionResult::Commit),
        ("kafka-abort", TransactionResult::Abort),
    ] {
        let marker = EndTransactionMarker {
            result,
            coordinator_epoch: 9,
        };
        let mut built = marker.to_batch(1_700_000_000_123, 4711, 12).to_vec();
        set_base_offset(&mut built, 77);
        set_partition_leader_epoch(&mut built, 5);
        assert_eq!(built, read_batch(name));
        assert_eq!(print(&built.into()), read_text(name));
    }
}

#[test]
fn what_is_written_here_has_been_read_by_kafka() {
    let mut written: Vec<(String, Bytes)> = Compression::ALL
        .into_iter()
        .map(|codec| {
            (
                codec.name().into(),
                records_of_the_fixture(codec).build(FIELDS),
            )
        })
        .collect();
    let (original, fields) = (
        Compression::Gzip,
        BatchFields {
            base_offset: 50,
            ..FIELDS
        },
    );
    let original = records_of_the_fixture(original).build(fields);
    let header = BatchHeader::read(&original).unwrap();
    let retained = [decode(&original).unwrap().swap_remove(1)];
    written.push((
        "compacted".into(),
        retain(&header, &retained, Some(99)).unwrap(),
    ));
    written.push(("emptied".into(), retain(&header, &[], Some(99)).unwrap()));
    let mut stamped = original.to_vec();
    set_log_append_time(&mut stamped, 1_800_000_000_000);
    written.push(("log-append-time".into(), stamped.into()));

    let mut unread = vec![];
    for (name, batch) in written {
        let name = format!("tablog-{name}");
        if fs::read(fixture(&format!("{name}.batch"))).ok().as_deref() == Some(&batch[..]) {
            assert_eq!(print(&batch), read_text(&name), "{name}");
            continue;
        }
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/records");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(format!("{name}.batch")), &batch).unwrap();
        unread.push(name);
    }
    assert_eq!(
        unread, [""; 0],
        "Kafka has not read these: run tests/fixtures/records/make"
    );
}

proptest! {
    /// Kafka's encoders use more of each format than ours do.
    #[test]
    fn damaged_batches_of_kafka_do_no_harm(
        codec in 1..5u8,
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let codec = Compression::from_id(codec).unwrap();
        let mut damaged = read_batch(&format!("kafka-{}", codec.name())).to_vec();
        for (index, byte) in flips {
            let index = BATCH_OVERHEAD + index.index(damaged.len() - BATCH_OVERHEAD);
            damaged[index] = byte;
        }
        if let Ok(records) = decode(&damaged.into()) {
            prop_assert_eq!(records.len(), 4);
        }
    }
}
