//! Every storage that exists natively keeps the contract; IndexedDB does in `tests/browser`.
#![cfg(not(target_family = "wasm"))]

use pollster::block_on;
use tablog::storage::conformance;
use tablog::storage::faulty::{FaultyMedium, FaultyStorage, Outcome};
use tablog::storage::memory::MemoryStorage;
use tablog::storage::quota::Quota;
use tablog::storage::settle::{COMMIT_ATTEMPTS_MAX, commit_settled};
use tablog::storage::{Fence, KeyRange, Storage, StorageError, Store, WriteBatch};

mod memory {
    use super::*;

    macro_rules! test {
        ($name:ident) => {
            #[test]
            fn $name() {
                let medium = MemoryStorage::new();
                block_on(conformance::$name(|| medium.another_owner()));
            }
        };
    }
    tablog::storage_conformance_tests!(test);
}

mod faulty {
    use super::*;

    macro_rules! test {
        ($name:ident) => {
            #[test]
            fn $name() {
                let medium = FaultyMedium::new();
                block_on(conformance::$name(|| FaultyStorage::new(&medium)));
            }
        };
    }
    tablog::storage_conformance_tests!(test);

    fn opened() -> (FaultyMedium, FaultyStorage, Fence) {
        let medium = FaultyMedium::new();
        let storage = FaultyStorage::new(&medium);
        let fence = block_on(storage.open()).expect("it is not closed");
        (medium, storage, fence)
    }

    fn rows(medium: &FaultyMedium) -> usize {
        medium.read(&KeyRange::all(Store::Journal), 100).len()
    }

    #[test]
    fn a_commit_whose_answers_are_lost_happens_once() {
        for lost in [Outcome::UnknownApplied, Outcome::UnknownNotApplied] {
            let (medium, storage, fence) = opened();
            storage.next_outcomes([lost]);
            let committed = block_on(commit_settled(&storage, fence, &put("1", 1)));
            assert_eq!(committed, Ok(fence.committed()));
            assert_eq!(medium.fence(), fence.committed());
            assert_eq!(rows(&medium), 1);
        }
    }

    #[test]
    fn a_commit_that_never_happens_fails_and_leaves_nothing() {
        let (medium, storage, fence) = opened();
        let lost = [Outcome::UnknownNotApplied; COMMIT_ATTEMPTS_MAX as usize];
        storage.next_outcomes(lost);
        let failed = block_on(commit_settled(&storage, fence, &put("1", 1)));
        assert!(matches!(failed, Err(StorageError::Failed(_))));
        assert_eq!(rows(&medium), 0);
        block_on(commit_settled(&storage, fence, &put("1", 1))).expect("nothing stands in its way");
    }

    #[test]
    fn a_commit_whose_owner_was_replaced_is_fenced() {
        let (medium, storage, fence) = opened();
        let found = FaultyStorage::new(&medium)
            .open_now()
            .expect("it is not closed");
        storage.next_outcomes([Outcome::UnknownApplied]);
        let fenced = block_on(commit_settled(&storage, fence, &put("1", 1)));
        assert_eq!(fenced, Err(StorageError::Fenced { found }));
        assert_eq!(rows(&medium), 0);
    }

    #[test]
    fn a_full_quota_refuses_the_batch_as_a_whole_and_reads_go_on() {
        const RECORDS: usize = 100;
        let quota = Quota::new(0);
        let medium = FaultyMedium::within(&quota);
        let storage = FaultyStorage::new(&medium);
        let fence = block_on(storage.open()).expect("there is room");
        let fence = block_on(storage.commit(fence, &put("1", RECORDS))).expect("there is room");
        quota.set_limit(Some(quota.used_bytes()));
        let mut replacing = put("2", RECORDS);
        replacing.delete(KeyRange::all(Store::Journal));
        let refused = block_on(storage.commit(fence, &replacing));
        assert_eq!(refused, Err(StorageError::Quota));
        assert_eq!(rows(&medium), 1);
        let mut deleting = WriteBatch::default();
        deleting.delete(KeyRange::all(Store::Journal));
        let fence = block_on(storage.commit(fence, &deleting)).expect("it frees room");
        assert_eq!(quota.used_bytes(), 0);
        block_on(storage.commit(fence, &put("2", RECORDS))).expect("there is room again");
    }

    #[test]
    fn a_full_quota_is_an_answer() {
        let (medium, storage, fence) = opened();
        storage.next_outcomes([Outcome::Quota]);
        let full = block_on(commit_settled(&storage, fence, &put("1", 1)));
        assert_eq!(full, Err(StorageError::Quota));
        assert_eq!(rows(&medium), 0);
    }
}

fn put(key: &str, value_bytes: usize) -> WriteBatch {
    let mut batch = WriteBatch::default();
    batch.put(Store::Journal, key.into(), vec![7; value_bytes].into());
    batch
}
