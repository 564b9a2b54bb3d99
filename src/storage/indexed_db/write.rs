//! The one shape of a transaction that writes.
//!
//! It goes below `indexed_db_futures` where that stands in the way: its `commit()` has to be called
//! by the task that made the transaction, which is too early (before the fence has been checked) or
//! too late (the transaction has committed itself), and hides why a transaction aborted.

use super::TRANSACTION_MS_MAX;
use super::failure::Failure;
use super::value::{FENCE_STORE, fence_from_js, fence_key, fence_to_js, range_to_js, to_js};
use crate::storage::{Durability, Fence, StorageError, Store, WriteBatch};
use futures_channel::oneshot;
use futures_util::future::{Either, select};
use gloo_events::EventListener;
use gloo_timers::future::TimeoutFuture;
use indexed_db_futures::database::Database;
use indexed_db_futures::internals::SystemRepr;
use indexed_db_futures::prelude::*;
use indexed_db_futures::transaction::{TransactionDurability, TransactionMode, TransactionOptions};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{IdbKeyRange, IdbObjectStore, IdbRequest, IdbTransaction};

/// One request of a transaction, with its values made.
pub(super) enum Step {
    Delete(Store, IdbKeyRange),
    Put(Store, JsValue, JsValue),
}

impl Step {
    fn store(&self) -> Store {
        match self {
            Step::Delete(store, _) | Step::Put(store, _, _) => *store,
        }
    }

    fn request(&self, transaction: &IdbTransaction) -> Result<(), JsValue> {
        let store = transaction.object_store(self.store().name())?;
        match self {
            Step::Delete(_, range) => store.delete(range)?,
            Step::Put(_, key, value) => store.put_with_key(value, key)?,
        };
        Ok(())
    }
}

/// Makes the values of a batch, before there is a transaction that would commit the first half if
/// making the second did not succeed.
pub(super) fn steps(batch: &WriteBatch) -> Result<Vec<Step>, Failure> {
    let mut steps = Vec::with_capacity(batch.deletes.len() + batch.puts.len());
    for range in &batch.deletes {
        if let Some(bounds) = range_to_js(range)? {
            steps.push(Step::Delete(range.store, bounds));
        }
    }
    for (store, key, value) in &batch.puts {
        steps.push(Step::Put(*store, to_js(key), to_js(value)));
    }
    Ok(steps)
}

/// Does `steps` and stores the fence that `next` makes of the stored one, or does nothing if
/// `next` refuses.
///
/// All requests are made before the first answers, the one for the fence last. Its handler, and
/// nothing else, stores the next fence and calls `commit()`, or calls `abort()`: after `commit()`
/// an `abort()` throws and the writes stay. Nothing is awaited while requests are being made: a
/// transaction without a pending request commits what it has.
pub(super) async fn write(
    database: &Database,
    steps: Vec<Step>,
    durability: Durability,
    next: impl FnOnce(Option<Fence>) -> Result<Fence, StorageError> + 'static,
) -> Result<Fence, Failure> {
    let mut scope: Vec<_> = steps.iter().map(|step| step.store().name()).collect();
    scope.sort_unstable();
    scope.dedup();
    scope.push(FENCE_STORE);
    // It aborts when it is dropped before it has ended: on each `?` below, and if the caller
    // stops waiting.
    let guard = database
        .transaction(scope)
        .with_mode(TransactionMode::Readwrite)
        .with_options(TransactionOptions::new().with_durability(match durability {
            Durability::Relaxed => TransactionDurability::Relaxed,
            Durability::Strict => TransactionDurability::Strict,
        }))
        .build()?;
    let transaction: IdbTransaction = guard.as_sys().clone().unchecked_into();
    let (_listeners, ended) = ended(&transaction);

    // No line of this loop can panic: a panic does not unwind, so nothing would abort.
    for step in &steps {
        step.request(&transaction)?;
    }
    let get = transaction.object_store(FENCE_STORE)?.get(&fence_key())?;
    let verdict: Rc<RefCell<Option<Result<Fence, Failure>>>> = Rc::default();
    let _check = EventListener::once(&get, "success", {
        let (get, transaction, verdict) = (get.clone(), transaction.clone(), verdict.clone());
        move |_| {
            let decided = check(&get, &transaction, next);
            if decided.is_err() {
                // It throws only if the transaction has aborted already.
                let _ = transaction.abort();
            }
            verdict.replace(Some(decided));
        }
    });

    match (in_time(ended).await, verdict.take()) {
        (Ok(Ended::Complete), Some(Ok(fence))) => Ok(fence),
        (Ok(Ended::Abort), Some(Err(refused))) => Err(refused.midway()),
        (Ok(Ended::Abort), _) => Err(aborted(&transaction)),
        (Ok(Ended::Complete), _) => Err(Failure::Unknown(
            "a transaction completed without its fence".into(),
        )),
        (Err(lost), _) => Err(lost),
    }
}

/// Makes requests of the fence's store, without a look at the fence.
pub(super) async fn unfenced(
    database: &Database,
    requests: impl FnOnce(&IdbObjectStore) -> Result<(), JsValue>,
) -> Result<(), Failure> {
    let guard = database
        .transaction(FENCE_STORE)
        .with_mode(TransactionMode::Readwrite)
        .build()?;
    let transaction: IdbTransaction = guard.as_sys().clone().unchecked_into();
    let (_listeners, ended) = ended(&transaction);
    requests(&transaction.object_store(FENCE_STORE)?)?;
    match in_time(ended).await? {
        Ended::Complete => Ok(()),
        Ended::Abort => Err(aborted(&transaction)),
    }
}

async fn in_time(ended: oneshot::Receiver<Ended>) -> Result<Ended, Failure> {
    match select(ended, TimeoutFuture::new(TRANSACTION_MS_MAX)).await {
        Either::Left((Ok(ended), _)) => Ok(ended),
        Either::Left((Err(_), _)) | Either::Right(_) => Err(Failure::Unknown(format!(
            "a transaction did not end within {TRANSACTION_MS_MAX} ms"
        ))),
    }
}

fn aborted(transaction: &IdbTransaction) -> Failure {
    match transaction.error() {
        Some(exception) => Failure::from(exception).midway(),
        None => Failure::Unknown("the browser aborted a transaction".into()),
    }
}

/// Runs within the success event of the fence's `get`, when every step has succeeded.
#[expect(
    deprecated,
    reason = "web-sys says so of `commit()`, which is in the standard since IndexedDB 3.0"
)]
fn check(
    get: &IdbRequest,
    transaction: &IdbTransaction,
    next: impl FnOnce(Option<Fence>) -> Result<Fence, StorageError>,
) -> Result<Fence, Failure> {
    let fence = next(fence_from_js(get.result()?)?)?;
    let store = transaction.object_store(FENCE_STORE)?;
    store.put_with_key(&fence_to_js(fence), &fence_key())?;
    transaction.commit()?;
    Ok(fence)
}

enum Ended {
    Complete,
    Abort,
}

/// Resolves when the transaction has ended. A failed request is no end yet: its `error` event
/// comes before the `abort` that says why.
fn ended(transaction: &IdbTransaction) -> ([EventListener; 2], oneshot::Receiver<Ended>) {
    let (sender, receiver) = oneshot::channel();
    let sender = Rc::new(RefCell::new(Some(sender)));
    let listener = |event, ended: fn() -> Ended| {
        let sender = sender.clone();
        EventListener::once(transaction, event, move |_| {
            if let Some(sender) = sender.take() {
                // Nobody waits any more only if the caller has stopped waiting.
                let _ = sender.send(ended());
            }
        })
    };
    let listeners = [
        listener("complete", || Ended::Complete),
        listener("abort", || Ended::Abort),
    ];
    (listeners, receiver)
}
