//! What became of a commit whose answer was lost.

use super::{Fence, Storage, StorageError, WriteBatch};

/// How often a batch is sent before its owner gives up. Each further time follows a connection
/// that died without having stored it.
pub const COMMIT_ATTEMPTS_MAX: u32 = 4;

/// What the stored fence tells about a commit whose outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Nothing of it is stored, and it will not appear: send it again.
    NotApplied,
    /// It is stored; the fence of the next commit.
    Applied(Fence),
    /// Another owner has opened the store. Whether the batch came before that is not to be
    /// learned from the fence, and not for this owner to act on.
    Fenced,
}

/// Decides from the fence that a commit was sent under and the one that is stored now.
///
/// Sound because an owner has one commit in flight at a time: nobody else moves `commit_seq`
/// within its epoch. A blind retry would not be: it brings back what a later batch has deleted.
pub fn settle(sent: Fence, found: Fence) -> Settled {
    if found == sent {
        Settled::NotApplied
    } else if found == sent.committed() {
        Settled::Applied(found)
    } else {
        Settled::Fenced
    }
}

/// Commits `batch`, and settles an unknown outcome: sends it again where it was not applied.
///
/// [`StorageError::Unknown`] is left only where the fence cannot be read either; the owner cannot
/// go on then. After every other error nothing of the batch is stored, except that it may be after
/// [`StorageError::Fenced`].
pub async fn commit_settled<S: Storage>(
    storage: &S,
    fence: Fence,
    batch: &WriteBatch,
) -> Result<Fence, StorageError> {
    let mut last = String::new();
    for _ in 0..COMMIT_ATTEMPTS_MAX {
        match storage.commit(fence, batch).await {
            Err(StorageError::Unknown(why)) => last = why,
            known => return known,
        }
        let found = match storage.fence().await {
            Ok(found) => found,
            // Whatever became of the batch, it is gone with the store.
            Err(StorageError::Deleted) => return Err(StorageError::Deleted),
            Err(why) => return Err(StorageError::Unknown(format!("{last}; then {why}"))),
        };
        match settle(fence, found) {
            Settled::NotApplied => {}
            Settled::Applied(fence) => return Ok(fence),
            Settled::Fenced => return Err(StorageError::Fenced { found }),
        }
    }
    Err(StorageError::Failed(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Entry, KeyRange};

    /// A store that is deleted while a batch is under way.
    struct DeletedMeanwhile;

    impl Storage for DeletedMeanwhile {
        async fn open(&self) -> Result<Fence, StorageError> {
            Ok(SENT)
        }

        async fn fence(&self) -> Result<Fence, StorageError> {
            Err(StorageError::Deleted)
        }

        async fn commit(&self, _: Fence, _: &WriteBatch) -> Result<Fence, StorageError> {
            Err(StorageError::Unknown("the connection was closed".into()))
        }

        async fn read(&self, _: &KeyRange, _: usize) -> Result<Vec<Entry>, StorageError> {
            Err(StorageError::Deleted)
        }

        async fn close(&self) {}
    }

    #[test]
    fn a_store_that_is_deleted_meanwhile_is_deleted_not_unknown() {
        let batch = WriteBatch::default();
        let commit = commit_settled(&DeletedMeanwhile, SENT, &batch);
        assert_eq!(pollster::block_on(commit), Err(StorageError::Deleted));
    }

    const SENT: Fence = Fence {
        epoch: 3,
        commit_seq: 7,
        incarnation: 5,
    };

    #[test]
    fn an_unchanged_fence_means_send_again() {
        assert_eq!(settle(SENT, SENT), Settled::NotApplied);
    }

    #[test]
    fn one_commit_more_means_it_happened() {
        let found = SENT.committed();
        assert_eq!(settle(SENT, found), Settled::Applied(found));
    }

    #[test]
    fn another_epoch_means_fenced_whether_it_happened_or_not() {
        assert_eq!(settle(SENT, SENT.opened()), Settled::Fenced);
        assert_eq!(settle(SENT, SENT.committed().opened()), Settled::Fenced);
    }

    #[test]
    fn a_fence_that_went_back_means_fenced() {
        assert_eq!(settle(SENT, Fence::default()), Settled::Fenced);
    }
}
