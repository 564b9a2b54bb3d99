//! Test support: what every [`Storage`] has to do, as one suite.
//!
//! Each function is a test. It is given a medium that is empty, as a function that makes a further
//! owner of it, and panics where the contract is broken.
//! [`storage_conformance_tests!`](crate::storage_conformance_tests) runs them all.

use super::medium::Medium;
use super::settle::{Settled, settle};
use super::{Durability, Entry, Fence, KeyRange, Storage, StorageError, Store, WriteBatch};
use bytes::Bytes;

/// Calls the macro `$test` with the name of each test of the suite.
///
/// ```
/// use tablog::storage::{conformance, memory::MemoryStorage};
///
/// macro_rules! run {
///     ($name:ident) => {{
///         let medium = MemoryStorage::new();
///         pollster::block_on(conformance::$name(|| medium.another_owner()));
///     }};
/// }
/// tablog::storage_conformance_tests!(run);
/// ```
#[macro_export]
macro_rules! storage_conformance_tests {
    ($test:ident) => {
        $test! { keys_are_ordered_as_bytes }
        $test! { equal_keys_of_two_stores_are_two_rows }
        $test! { a_range_ends_before_its_end }
        $test! { a_range_of_a_prefix_holds_what_begins_with_it }
        $test! { a_range_of_one_key_holds_that_key }
        $test! { a_range_that_ends_before_it_starts_is_empty }
        $test! { bytes_max_bounds_the_values }
        $test! { one_entry_is_read_whatever_its_size }
        $test! { many_rows_are_read_in_order }
        $test! { deletes_come_before_puts }
        $test! { a_put_replaces_what_stood_there }
        $test! { an_empty_value_is_a_row }
        $test! { a_batch_over_all_stores_is_one_commit }
        $test! { an_empty_batch_moves_the_fence }
        $test! { opening_raises_the_epoch }
        $test! { commit_seq_moves_across_epochs }
        $test! { a_fenced_owner_leaves_nothing }
        $test! { a_stale_commit_seq_is_fenced }
        $test! { rows_are_there_after_reopening }
        $test! { a_strict_commit_is_a_commit }
        $test! { values_of_several_mebibytes_come_back }
        $test! { later_commits_stand_on_earlier_ones }
        $test! { a_closed_storage_says_so }
        $test! { closing_leaves_other_owners_alone }
        $test! { a_lost_answer_is_settled_by_the_fence }
        $test! { any_batches_do_what_they_do_to_the_model }
    };
}

const STORE: Store = Store::Journal;

/// Keys compare as bytes: a prefix before what it begins, and no byte as a sign.
pub async fn keys_are_ordered_as_bytes<S: Storage>(owner: impl Fn() -> S) {
    let storage = owner();
    let ordered: [&[u8]; 12] = [
        b"",
        &[0],
        &[0, 0],
        &[0, 0xff],
        &[1],
        &[0x7f],
        &[0x7f, 0xff, 0xff],
        &[0x80],
        &[0x80, 0],
        &[0xfe, 0xff],
        &[0xff],
        &[0xff, 0xff],
    ];
    let mut batch = WriteBatch::default();
    for i in [7, 0, 11, 3, 9, 1, 5, 10, 2, 8, 4, 6] {
        batch.put(STORE, ordered[i].to_vec(), vec![i as u8].into());
    }
    commit_all(&storage, &[batch]).await;
    assert_eq!(keys(&storage, &KeyRange::all(STORE)).await, ordered);
}

/// A key belongs to its store.
pub async fn equal_keys_of_two_stores_are_two_rows<S: Storage>(owner: impl Fn() -> S) {
    let storage = owner();
    let fence = open(&storage).await;
    let fence = commit(&storage, fence, puts(Store::Head, &["k"])).await;
    let fence = commit(&storage, fence, puts(Store::Index, &["k"])).await;
    commit(&storage, fence, deletes(KeyRange::all(Store::Head))).await;
    assert_eq!(keys(&storage, &KeyRange::all(Store::Head)).await, NONE);
    assert_eq!(keys(&storage, &KeyRange::all(Store::Index)).await, [b"k"]);
}

/// `start` is in, `end` is out; for reading and for deleting.
pub async fn a_range_ends_before_its_end<S: Storage>(owner: impl Fn() -> S) {
    let storage = owner();
    let range = KeyRange {
        store: STORE,
        start: b"b".to_vec(),
        end: Some(b"d".to_vec()),
    };
    let fence = commit_all(&storage, &[puts(STORE, &["a", "b", "c", "d"])]).await;
    assert_eq!(keys(&storage, &range).await, [b"b", b"c"]);
    commit(&storage, fence, deletes(range)).await;
    assert_eq!(keys(&storage, &KeyRange::all(STORE)).await, [b"a", b"d"]);
}

/// Also where the prefix ends in 0xff, and for the empty prefix.
pub async fn a_range_of_a_prefix_holds_what_begins_with_it<S: Storage>(owner: impl Fn() -> S) {
    let storage = owner();
    let rows: [&[u8]; 6] = [
        &[1],
        &[1, 0xff],
        &[1, 0xff, 0],
        &[2],
        &[0xff],
        &[0xff, 0xff],
    ];
    let mut batch = WriteBatch::default();
    for row in rows {
        batch.put(STORE, row.to_vec(), Bytes::new());
    }
    let fence = commit_all(&storage, &[batch]).await;
    let of = |prefix: &[u8]| KeyRange::prefix(STORE, prefix);
    assert_eq!(keys(&storage, &of(&[1])).await, rows[..3]);
    assert_eq!(keys(&storage, &of(&[1, 0xff])).await, rows[1..3]);
    assert_eq!(keys(&storage, &of(&[0xff])).await, rows[4..]);
    assert_eq!(keys(&storage, &of(&[])).await, rows);
    commit(&storage, fence, deletes(of(&[1, 0xff]))).await;
    assert_eq!(keys(&storage, &of(&[1])).await, rows[..1]);
}

/// And not the one that it is a prefix of.
pub async fn a_range_of_one_key_holds_that_key<S: Storage>(owner: impl Fn() -> S) {
    let storage = owner();
    let rows: [&[u8]; 3] = [b"k", &[b'k', 0], b"l"];
    let mut batch = WriteBatch::default();
    for row in rows {
        batch.put(STORE, row.to_vec(), Bytes::new());
    }
    let fence = commit_all(&storage, &[batch]).await;
    let one = KeyRange::one(STORE, b"k");
    assert_eq!(keys(&storage, &one).await, rows[..1]);
    commit(&storage, fence, deletes(one)).await;
    assert_eq!(keys(&storage, &KeyRange::all(STORE)).await, rows[1..]);
}

/// No error and no panic, for reading and for deleting.
pub async fn a_range_that_ends_before_it_starts_is_empty<S: Storage>(owner: impl Fn() -> S) {
    let storage = owner();
    let mut fence = commit_all(&storage, &[puts(STORE, &["a", "b", "c"])]).await;
    for end in ["a", "b"] {
        let range = KeyRange {
            store: STORE,
            start: b"b".to_vec(),
            end: Some(end.into()),
        };
        assert_eq!(keys(&storage, &range).await, NONE);
        fence = commit(&storage, fence, deletes(range)).await;
    }
    assert_eq!(keys(&storage, &KeyRange::all(STORE)).await.len(), 3);
}

/// The entries that are read have values of at most `bytes_max` together.
pub async fn bytes_max_bounds_the_values<S: Storage>(owner: impl Fn() -> S) {
    let storage = owner();
    let mut batch = WriteBatch::default();
    for key in 0..4 {
        batch.put(STORE, vec![key], vec![key; 100].into());
    }
    commit_all(&storage, &[batch]).await;
    for (bytes_max, count) in [(100, 1), (199, 1), (200, 2), (299, 2), (400, 4), (1000, 4)] {
        let entries = storage.read(&KeyRange::all(STORE), bytes_max).await;
        let entries = entries.expect("the storage is open");
        assert_eq!(entries.len(), count, "bytes_max {bytes_max}");
    }
}

/// A value above `bytes_max` must not hide what lies behind it.
pub async fn one_entry_is_read_whatever_its_size<S: Storage>(owner: impl Fn() -> S) {
    let storage = owner();
    commit_all(&storage, &[puts(STORE, &["a", "b"])]).await;
    let first = storage.read(&KeyRange::all(STORE), 0).await;
    assert_eq!(first.expect("the storage is open"), [entry("a")]);
}

/// More rows than one page of any backend, written by one commit.
pub async fn many_rows_are_read_in_order<S: Storage>(owner: impl Fn() -> S) {
    const ROWS: u32 = 5_000;
    let storage = owner();
    let mut batch = WriteBatch::default();
    for row in (0..ROWS).rev() {
        batch.put(STORE, key(row), key(row).into());
    }
    let fence = commit_all(&storage, &[batch]).await;
    let read = storage.read(&KeyRange::all(STORE), usize::MAX).await;
    let read = read.expect("the storage is open");
    assert_eq!(read.len(), ROWS as usize);
    for (row, entry) in (0..ROWS).zip(&read) {
        assert_eq!((&entry.key, &*entry.value), (&key(row), &*key(row)));
    }
    let middle = KeyRange {
        store: STORE,
        start: key(1_000),
        end: Some(key(3_000)),
    };
    let cut = storage.read(&middle, 4 * 700).await;
    let cut = cut.expect("the storage is open");
    assert_eq!(cut, read[1_000..1_700]);
    commit(&storage, fence, deletes(middle)).await;
    assert_eq!(keys(&storage, &KeyRange::all(STORE)).await.len(), 3_000);
}

/// Whatever the order in which the batch was made.
pub async fn deletes_come_before_puts<S: Storage>(owner: impl Fn() -> S) {
    let storage = owner();
    let fence = commit_all(&storage, &[puts(STORE, &["a", "b"])]).await;
    let mut batch = puts(STORE, &["b", "c"]);
    batch.delete(KeyRange::all(STORE));
    commit(&storage, fence, batch).await;
    assert_eq!(keys(&storage, &KeyRange::all(STORE)).await, [b"b", b"c"]);
}

/// Within a batch the last one stands.
pub async fn a_put_replaces_what_stood_there<S: Storage>(owner: impl Fn() -> S) {
    let storage = owner();
    let fence = commit_all(&storage, &[puts(STORE, &["k"])]).await;
    let mut batch = WriteBatch::default();
    batch.put(STORE, b"k".to_vec(), Bytes::from_static(b"second"));
    batch.put(STORE, b"k".to_vec(), Bytes::from_static(b"third"));
    commit(&storage, fence, batch).await;
    let read = read_all(&storage, STORE).await;
    assert_eq!(read.len(), 1);
    assert_eq!(&*read[0].value, b"third");
}

/// Not the absence of one.
pub async fn an_empty_value_is_a_row<S: Storage>(owner: impl Fn() -> S) {
    let storage = owner();
    let mut batch = WriteBatch::default();
    batch.put(STORE, b"k".to_vec(), Bytes::new());
    commit_all(&storage, &[batch]).await;
    let read = read_all(&storage, STORE).await;
    assert_eq!(read.len(), 1);
    assert!(read[0].value.is_empty());
}

/// One batch may write to and delete from every store, and moves the fence by one.
pub async fn a_batch_over_all_stores_is_one_commit<S: Storage>(owner: impl Fn() -> S) {
    let storage = owner();
    let mut batch = WriteBatch::default();
    for store in Store::ALL {
        batch.put(store, b"old".to_vec(), Bytes::new());
    }
    let fence = commit_all(&storage, &[batch]).await;
    let mut batch = WriteBatch::default();
    for store in Store::ALL {
        batch.delete(KeyRange::one(store, b"old"));
        batch.put(store, b"new".to_vec(), store.name().into());
    }
    let after = commit(&storage, fence, batch).await;
    assert_eq!(after, fence.committed());
    for store in Store::ALL {
        let read = read_all(&storage, store).await;
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].key, b"new");
        assert_eq!(read[0].value, store.name());
    }
}

/// It is a commit like any other.
pub async fn an_empty_batch_moves_the_fence<S: Storage>(owner: impl Fn() -> S) {
    let storage = owner();
    let fence = open(&storage).await;
    let after = commit(&storage, fence, WriteBatch::default()).await;
    assert_eq!(after, fence.committed());
    assert_eq!(storage.fence().await, Ok(after));
}

/// By one for each owner, and for the same owner again.
pub async fn opening_raises_the_epoch<S: Storage>(owner: impl Fn() -> S) {
    let first = owner();
    let begun = open(&first).await;
    assert_eq!((begun.epoch, begun.commit_seq), (1, 0));
    let second = owner();
    let fence = open(&second).await;
    assert_eq!(fence, begun.opened());
    assert_eq!(first.fence().await, Ok(fence));
    assert_eq!(open(&first).await, fence.opened());
}

/// A new owner goes on counting.
pub async fn commit_seq_moves_across_epochs<S: Storage>(owner: impl Fn() -> S) {
    let first = commit_all(&owner(), &[puts(STORE, &["a"]), puts(STORE, &["b"])]).await;
    assert_eq!(first.commit_seq, 2);
    let second = owner();
    let opened = open(&second).await;
    assert_eq!(opened, first.opened());
    let committed = commit(&second, opened, puts(STORE, &["c"])).await;
    assert_eq!(committed.commit_seq, 3);
}

/// Neither its puts nor its deletes, nor a move of the fence.
pub async fn a_fenced_owner_leaves_nothing<S: Storage>(owner: impl Fn() -> S) {
    let zombie = owner();
    let stale = commit_all(&zombie, &[puts(STORE, &["kept"])]).await;
    let storage = owner();
    let found = open(&storage).await;
    let mut batch = WriteBatch::default();
    for store in Store::ALL {
        batch.delete(KeyRange::all(store));
        batch.put(store, b"zombie".to_vec(), vec![1; 100_000].into());
    }
    for _ in 0..2 {
        let refused = zombie.commit(stale, &batch).await;
        assert_eq!(refused, Err(StorageError::Fenced { found }));
    }
    for store in Store::ALL {
        let expected: &[Entry] = match store {
            STORE => &[entry("kept")],
            _ => &[],
        };
        assert_eq!(read_all(&storage, store).await, expected);
    }
    assert_eq!(storage.fence().await, Ok(found));
    commit(&storage, found, puts(STORE, &["live"])).await;
}

/// Two commits under one fence are one too many, in the same epoch as well.
pub async fn a_stale_commit_seq_is_fenced<S: Storage>(owner: impl Fn() -> S) {
    let storage = owner();
    let stale = open(&storage).await;
    let found = commit(&storage, stale, puts(STORE, &["a"])).await;
    let refused = storage.commit(stale, &puts(STORE, &["b"])).await;
    assert_eq!(refused, Err(StorageError::Fenced { found }));
    assert_eq!(keys(&storage, &KeyRange::all(STORE)).await, [b"a"]);
}

/// What was committed is there for the next owner.
pub async fn rows_are_there_after_reopening<S: Storage>(owner: impl Fn() -> S) {
    let first = owner();
    commit_all(&first, &[puts(STORE, &["a"]), puts(STORE, &["b"])]).await;
    first.close().await;
    let second = owner();
    open(&second).await;
    assert_eq!(
        read_all(&second, STORE).await,
        [entry("a"), entry("b")].as_slice()
    );
}

/// Both depths do the same while the power is on.
pub async fn a_strict_commit_is_a_commit<S: Storage>(owner: impl Fn() -> S) {
    let storage = owner();
    let strict = WriteBatch {
        durability: Durability::Strict,
        ..puts(STORE, &["a"])
    };
    commit_all(&storage, &[strict, puts(STORE, &["b"])]).await;
    assert_eq!(keys(&storage, &KeyRange::all(STORE)).await, [b"a", b"b"]);
}

/// Bytes are bytes: none is added, lost or looked at.
pub async fn values_of_several_mebibytes_come_back<S: Storage>(owner: impl Fn() -> S) {
    let storage = owner();
    let value = |seed: usize, len: usize| -> Bytes {
        let byte = |i: usize| (i.wrapping_mul(seed) >> 7) as u8;
        (0..len).map(byte).collect::<Vec<u8>>().into()
    };
    let (one, five) = (value(31, 1 << 20), value(37, 5 << 20));
    let mut batch = WriteBatch::default();
    batch.put(Store::Segment, b"1".to_vec(), one.clone());
    batch.put(Store::Segment, b"5".to_vec(), five.clone());
    commit_all(&storage, &[batch]).await;
    let read = read_all(&storage, Store::Segment).await;
    assert_eq!(read.len(), 2);
    // Not assert_eq!: that would print the bytes.
    assert!(read[0].value == one && read[1].value == five);
}

/// A long chain of commits ends in what the last ones left.
pub async fn later_commits_stand_on_earlier_ones<S: Storage>(owner: impl Fn() -> S) {
    const COMMITS: u32 = 50;
    let storage = owner();
    let mut fence = open(&storage).await;
    for row in 0..COMMITS {
        let mut batch = WriteBatch::default();
        batch.put(STORE, key(row), key(row).into());
        if let Some(old) = row.checked_sub(3) {
            batch.delete(KeyRange::one(STORE, &key(old)));
        }
        fence = commit(&storage, fence, batch).await;
    }
    let last: Vec<_> = (COMMITS - 3..COMMITS).map(key).collect();
    assert_eq!(keys(&storage, &KeyRange::all(STORE)).await, last);
}

/// Every call of a closed storage answers so, and changes nothing.
pub async fn a_closed_storage_says_so<S: Storage>(owner: impl Fn() -> S) {
    let storage = owner();
    let fence = commit_all(&storage, &[puts(STORE, &["a"])]).await;
    storage.close().await;
    storage.close().await;
    let batch = puts(STORE, &["b"]);
    assert_eq!(
        storage.commit(fence, &batch).await,
        Err(StorageError::Closed)
    );
    assert_eq!(storage.fence().await, Err(StorageError::Closed));
    let read = storage.read(&KeyRange::all(STORE), 1).await;
    assert_eq!(read, Err(StorageError::Closed));
    assert_eq!(storage.open().await, Err(StorageError::Closed));
    let next = owner();
    assert_eq!(open(&next).await, fence.opened());
    assert_eq!(keys(&next, &KeyRange::all(STORE)).await, [b"a"]);
}

/// An owner closes its own use only.
pub async fn closing_leaves_other_owners_alone<S: Storage>(owner: impl Fn() -> S) {
    let (zombie, storage) = (owner(), owner());
    open(&zombie).await;
    let fence = open(&storage).await;
    zombie.close().await;
    commit(&storage, fence, puts(STORE, &["a"])).await;
    assert_eq!(keys(&storage, &KeyRange::all(STORE)).await, [b"a"]);
}

/// Whether a commit happened can be learned after its answer was lost.
pub async fn a_lost_answer_is_settled_by_the_fence<S: Storage>(owner: impl Fn() -> S) {
    let storage = owner();
    let sent = open(&storage).await;
    assert_eq!(settle(sent, found(&storage).await), Settled::NotApplied);
    let after = commit(&storage, sent, puts(STORE, &["a"])).await;
    assert_eq!(settle(sent, found(&storage).await), Settled::Applied(after));
    open(&owner()).await;
    assert_eq!(settle(sent, found(&storage).await), Settled::Fenced);
    assert_eq!(settle(after, found(&storage).await), Settled::Fenced);
}

/// Batches and reads that nobody thought of, the same ones in every run, against [`Medium`].
pub async fn any_batches_do_what_they_do_to_the_model<S: Storage>(owner: impl Fn() -> S) {
    const BATCHES: usize = 60;
    const READS_PER_BATCH: usize = 4;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut model = Medium::new();
    let storage = owner();
    let mut fence = open(&storage).await;
    let mut of_model = model.open();
    for _ in 0..BATCHES {
        let mut batch = WriteBatch::default();
        for _ in 0..random.below(2) {
            batch.delete(random.range());
        }
        for _ in 0..random.below(12) {
            let (key, len) = (random.key(), random.below(300));
            batch.put(random.store(), key, vec![len as u8; len].into());
        }
        of_model = model.commit(of_model, &batch).expect("nobody else has it");
        fence = commit(&storage, fence, batch).await;
        assert_eq!(fence.commit_seq, of_model.commit_seq);
        for _ in 0..READS_PER_BATCH {
            let (range, bytes_max) = (random.range(), random.below(3_000));
            assert_eq!(
                storage.read(&range, bytes_max).await,
                Ok(model.read(&range, bytes_max)),
                "{range:?}, {bytes_max} bytes"
            );
        }
    }
}

/// Marsaglia's xorshift: enough to vary a test.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    fn store(&mut self) -> Store {
        [Store::Head, Store::Segment][self.below(2)]
    }

    fn key(&mut self) -> Vec<u8> {
        let len = self.below(4);
        let byte = |_| [0, 1, 0x7f, 0x80, 0xff][self.below(5)];
        (0..len).map(byte).collect()
    }

    fn range(&mut self) -> KeyRange {
        let (store, key) = (self.store(), self.key());
        match self.below(4) {
            0 => KeyRange::prefix(store, &key),
            1 => KeyRange::one(store, &key),
            _ => KeyRange {
                store,
                start: key,
                end: (self.below(3) > 0).then(|| self.key()),
            },
        }
    }
}

const NONE: [&[u8]; 0] = [];

async fn open<S: Storage>(storage: &S) -> Fence {
    storage.open().await.expect("a new owner can open")
}

async fn found<S: Storage>(storage: &S) -> Fence {
    storage.fence().await.expect("the storage is open")
}

async fn commit<S: Storage>(storage: &S, fence: Fence, batch: WriteBatch) -> Fence {
    let committed = storage.commit(fence, &batch).await;
    let committed = committed.expect("the fence is the stored one");
    assert_eq!(committed, fence.committed());
    committed
}

async fn commit_all<S: Storage>(storage: &S, batches: &[WriteBatch]) -> Fence {
    let mut fence = open(storage).await;
    for batch in batches {
        fence = commit(storage, fence, batch.clone()).await;
    }
    fence
}

async fn read_all<S: Storage>(storage: &S, store: Store) -> Vec<Entry> {
    let read = storage.read(&KeyRange::all(store), usize::MAX).await;
    read.expect("the storage is open")
}

async fn keys<S: Storage>(storage: &S, range: &KeyRange) -> Vec<Vec<u8>> {
    let read = storage.read(range, usize::MAX).await;
    let read = read.expect("the storage is open");
    read.into_iter().map(|entry| entry.key).collect()
}

fn key(row: u32) -> Vec<u8> {
    row.to_be_bytes().to_vec()
}

fn entry(key: &str) -> Entry {
    Entry {
        key: key.into(),
        value: key.to_owned().into(),
    }
}

fn puts(store: Store, keys: &[&str]) -> WriteBatch {
    let mut batch = WriteBatch::default();
    for &key in keys {
        batch.put(store, key.into(), key.to_owned().into());
    }
    batch
}

fn deletes(range: KeyRange) -> WriteBatch {
    let mut batch = WriteBatch::default();
    batch.delete(range);
    batch
}
