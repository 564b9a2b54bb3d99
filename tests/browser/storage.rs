//! Storage in IndexedDB.

use js_sys::{Array, eval};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use tablog::storage::indexed_db::{IndexedDbStorage, REOPENS_MAX, delete_database};
use tablog::storage::settle::commit_settled;
use tablog::storage::{
    Durability, Fence, KeyRange, Storage, StorageError, Store, WriteBatch, conformance,
};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

macro_rules! test {
    ($name:ident) => {
        #[wasm_bindgen_test]
        async fn $name() {
            let name = fresh(stringify!($name)).await;
            conformance::$name(|| IndexedDbStorage::new(&name)).await;
            gone(&name).await;
        }
    };
}
tablog::storage_conformance_tests!(test);

/// Every other order of these calls commits what must not be there, in some engine.
#[wasm_bindgen_test]
async fn a_commit_asks_for_the_fence_last_and_commits_in_its_answer() {
    let (name, storage, fence) = opened("order").await;
    let mut batch = put(&["a", "b"]);
    batch.delete(KeyRange::all(Store::Head));
    let trace = Patch::new(TRACE);
    let fence = storage.commit(fence, &batch).await.expect("it is open");
    let happy = trace.calls();
    let stale = storage.commit(Fence { epoch: 0, ..fence }, &batch).await;
    let fenced = trace.calls();
    drop(trace);
    let batch = ["head.delete", "journal.put", "journal.put", "fence.get"];
    assert_eq!(happy[..4], batch);
    assert_eq!(happy[4..], ["fence.success", "fence.put", "commit"]);
    assert_eq!(fenced[..4], batch);
    assert_eq!(fenced[4..], ["fence.success", "abort"]);
    assert_eq!(stale, Err(StorageError::Fenced { found: fence }));
    gone(&name).await;
}

/// Each of the requests of a transaction, up to the one that stores the fence, throws once.
#[wasm_bindgen_test]
async fn a_request_that_throws_leaves_nothing_of_the_ones_before_it() {
    let (name, storage, fence) = opened("throws").await;
    for (call, nth) in [
        ("put", 1),
        ("put", 2),
        ("put", 3),
        ("delete", 1),
        ("get", 1),
    ] {
        let mut batch = put(&["a", "b"]);
        batch.delete(KeyRange::all(Store::Head));
        let patch = Patch::new(&format!(
            r#"(store => {{
                const original = store.{call};
                let calls = 0;
                store.{call} = function (...parameters) {{
                    if (++calls === {nth}) throw new DOMException("no such clone", "DataCloneError");
                    return original.apply(this, parameters);
                }};
                return () => {{ store.{call} = original; }};
            }})(IDBObjectStore.prototype)"#
        ));
        let failed = storage.commit(fence, &batch).await;
        drop(patch);
        assert!(
            matches!(failed, Err(StorageError::Failed(_))),
            "{call} {nth}: {failed:?}"
        );
        assert_eq!(keys(&storage).await, NONE, "{call} {nth}");
        assert_eq!(storage.fence().await, Ok(fence), "{call} {nth}");
    }
    storage
        .commit(fence, &put(&["c"]))
        .await
        .expect("no longer");
    assert_eq!(keys(&storage).await, ["c"]);
    gone(&name).await;
}

/// Two owners write as fast as they can while they take the store from each other. What the fence
/// counted is what is there.
#[wasm_bindgen_test]
async fn racing_owners_leave_what_the_fence_has_counted() {
    let name = fresh("race").await;
    let written = RefCell::new(0);
    let race = async |owner: &str| {
        for round in 0..10 {
            let storage = IndexedDbStorage::new(&name);
            let mut fence = storage.open().await.expect("it can be opened");
            for row in 0..5 {
                let batch = put(&[&format!("{owner}{round}{row}")]);
                match storage.commit(fence, &batch).await {
                    Ok(next) => fence = next,
                    Err(StorageError::Fenced { .. }) => break,
                    Err(error) => panic!("{error}"),
                }
                *written.borrow_mut() += 1;
            }
            storage.close().await;
        }
    };
    futures_util::future::join(race("a"), race("b")).await;
    let storage = IndexedDbStorage::new(&name);
    let fence = storage.open().await.expect("it can be opened");
    let written = written.take();
    assert_eq!(
        fence,
        Fence {
            epoch: 21,
            commit_seq: written,
            ..fence
        }
    );
    assert_eq!(keys(&storage).await.len() as u64, written);
    gone(&name).await;
}

#[wasm_bindgen_test]
async fn a_full_quota_refuses_the_batch_as_a_whole() {
    let (name, storage, fence) = opened("quota").await;
    // A full disk is reported when the transaction commits (Chromium) or by a request (Firefox,
    // WebKit), which throws in no engine.
    let at_commit = r#"(transaction => {
        const original = Object.getOwnPropertyDescriptor(transaction, "error");
        const commit = transaction.commit;
        transaction.commit = transaction.abort;
        Object.defineProperty(transaction, "error", {
            configurable: true,
            get: () => new DOMException("full", "QuotaExceededError"),
        });
        return () => {
            transaction.commit = commit;
            Object.defineProperty(transaction, "error", original);
        };
    })(IDBTransaction.prototype)"#;
    let at_put = r#"(store => {
        const original = store.put;
        store.put = function () { throw new DOMException("full", "QuotaExceededError"); };
        return () => { store.put = original; };
    })(IDBObjectStore.prototype)"#;
    for full in [at_commit, at_put] {
        let patch = Patch::new(full);
        let refused = storage.commit(fence, &put(&["a", "b"])).await;
        drop(patch);
        assert_eq!(refused, Err(StorageError::Quota));
        assert_eq!(keys(&storage).await, NONE);
    }
    storage
        .commit(fence, &put(&["c"]))
        .await
        .expect("no longer");
    gone(&name).await;
}

/// WebKit closes connections of pages in the background, and every later use of one throws.
#[wasm_bindgen_test]
async fn a_lost_connection_is_opened_anew() {
    let (name, storage, fence) = opened("lost").await;
    let fence = storage
        .commit(fence, &put(&["a"]))
        .await
        .expect("it is open");
    let patch = Patch::new(&throwing_transactions(REOPENS_MAX));
    assert_eq!(keys(&storage).await, ["a"]);
    drop(patch);
    let patch = Patch::new(&throwing_transactions(REOPENS_MAX));
    let fence = storage
        .commit(fence, &put(&["b"]))
        .await
        .expect("the last one holds");
    drop(patch);
    assert_eq!(keys(&storage).await, ["a", "b"]);
    let patch = Patch::new(&throwing_transactions(u32::MAX));
    let failed = storage.commit(fence, &put(&["c"])).await;
    drop(patch);
    assert!(matches!(failed, Err(StorageError::Failed(_))), "{failed:?}");
    storage
        .commit(fence, &put(&["d"]))
        .await
        .expect("each call has its budget");
    assert_eq!(keys(&storage).await, ["a", "b", "d"]);
    gone(&name).await;
}

/// A handle that the browser has closed, as the engine itself answers then.
#[wasm_bindgen_test]
async fn a_connection_that_the_browser_closed_is_opened_anew() {
    let (name, storage, fence) = opened("closed").await;
    let patch = Patch::new(
        r#"(database => {
            const original = database.transaction;
            let closed = false;
            database.transaction = function (...parameters) {
                if (!closed) this.close();
                closed = true;
                return original.apply(this, parameters);
            };
            return () => { database.transaction = original; };
        })(IDBDatabase.prototype)"#,
    );
    let committed = storage.commit(fence, &put(&["a"])).await;
    drop(patch);
    assert_eq!(committed, Ok(fence.committed()));
    gone(&name).await;
}

/// The connection dies between the commit and its `complete`: before it happened, and after.
#[wasm_bindgen_test]
async fn a_commit_that_died_midway_is_settled_by_the_fence() {
    let (name, storage, mut fence) = opened("midway").await;
    let died_before = "this.abort()";
    let died_after = r#"original.apply(this);
        this.dispatchEvent(new Event("abort"))"#;
    for (key, died) in [("a", died_before), ("b", died_after)] {
        let patch = || {
            Patch::new(&format!(
                r#"(transaction => {{
                    const original = transaction.commit;
                    const restore = () => {{ transaction.commit = original; }};
                    transaction.commit = function () {{ restore(); {died} }};
                    return restore;
                }})(IDBTransaction.prototype)"#
            ))
        };
        let patched = patch();
        let unknown = storage.commit(fence, &put(&["x"])).await;
        drop(patched);
        assert!(
            matches!(unknown, Err(StorageError::Unknown(_))),
            "{unknown:?}"
        );
        let found = storage.fence().await.expect("it reopens");
        let mut erase = WriteBatch::default();
        erase.delete(KeyRange::one(Store::Journal, b"x"));
        fence = storage.commit(found, &erase).await.expect("it is open");

        let patched = patch();
        let settled = commit_settled(&storage, fence, &put(&[key])).await;
        drop(patched);
        assert_eq!(settled, Ok(fence.committed()));
        fence = fence.committed();
    }
    assert_eq!(keys(&storage).await, ["a", "b"]);
    gone(&name).await;
}

/// Rarely, WebKit fires neither `complete` nor `abort`.
#[wasm_bindgen_test]
async fn a_transaction_that_never_ends_is_given_up() {
    let (name, storage, fence) = opened("hung").await;
    let patch = Patch::new(
        r#"(() => {
            const timeout = globalThis.setTimeout;
            const listen = IDBTransaction.prototype.addEventListener;
            globalThis.setTimeout = (callback, ms) => timeout(callback, ms / 100);
            IDBTransaction.prototype.addEventListener = () => {};
            return () => {
                globalThis.setTimeout = timeout;
                IDBTransaction.prototype.addEventListener = listen;
            };
        })()"#,
    );
    let unknown = storage.commit(fence, &put(&["a"])).await;
    drop(patch);
    assert!(
        matches!(unknown, Err(StorageError::Unknown(_))),
        "{unknown:?}"
    );
    assert_eq!(storage.fence().await, Ok(fence.committed()));
    gone(&name).await;
}

#[wasm_bindgen_test]
async fn a_deleted_database_is_not_created_anew_under_its_owner() {
    let (name, storage, fence) = opened("deleted").await;
    delete_database(&name).await.expect("its owner gives way");
    assert_eq!(
        storage.commit(fence, &put(&["a"])).await,
        Err(StorageError::Deleted)
    );
    assert_eq!(storage.fence().await, Err(StorageError::Deleted));
    let read = storage.read(&KeyRange::all(Store::Journal), 1).await;
    assert_eq!(read, Err(StorageError::Deleted));
    assert_eq!(storage.open().await, Err(StorageError::Deleted));
    let anew = IndexedDbStorage::new(&name).open().await;
    let anew = anew.expect("it can be created");
    assert_eq!((anew.epoch, anew.commit_seq), (1, 0));
    assert_ne!(anew.incarnation, fence.incarnation);
    gone(&name).await;
}

/// Its owner did not hear of it: the connection was lost then.
#[wasm_bindgen_test]
async fn a_database_that_was_deleted_meanwhile_is_not_created_anew() {
    for begun_anew in [false, true] {
        let (name, storage, fence) = opened("unheard").await;
        let fence = storage
            .commit(fence, &put(&["a"]))
            .await
            .expect("it is open");
        let lost = Patch::new(&throwing_transactions(u32::MAX));
        let failed = storage.fence().await;
        drop(lost);
        assert!(matches!(failed, Err(StorageError::Failed(_))), "{failed:?}");
        gone(&name).await;
        if begun_anew {
            let other = IndexedDbStorage::new(&name);
            other.open().await.expect("it can be opened");
            other.close().await;
        }
        let commit = storage.commit(fence, &put(&["b"])).await;
        assert_eq!(
            commit,
            Err(StorageError::Deleted),
            "begun anew: {begun_anew}"
        );
        gone(&name).await;
    }
}

#[wasm_bindgen_test]
async fn a_database_that_must_be_there_is_not_created() {
    let name = fresh("existing").await;
    let storage = IndexedDbStorage::existing(&name, 1);
    assert_eq!(storage.open().await, Err(StorageError::Deleted));
    let created = IndexedDbStorage::new(&name).open().await;
    let incarnation = created.expect("it can be created").incarnation;
    let existing = || IndexedDbStorage::existing(&name, incarnation);
    assert!(existing().open().await.is_ok());
    delete_database(&name).await.expect("nobody has it");
    assert!(IndexedDbStorage::new(&name).open().await.is_ok());
    assert_eq!(existing().open().await, Err(StorageError::Deleted));
    gone(&name).await;
}

#[wasm_bindgen_test]
async fn an_upgrade_elsewhere_closes_the_storage_at_once() {
    let (name, storage, fence) = opened("upgraded").await;
    let upgrade = format!(
        r#"new Promise((done, blocked) => {{
            const request = indexedDB.open("{name}", 2);
            request.onblocked = () => blocked("blocked");
            request.onsuccess = () => {{ request.result.close(); done("upgraded"); }};
        }})"#
    );
    let upgraded = run(&upgrade).await;
    assert_eq!(upgraded, Ok("upgraded".into()));
    assert_eq!(
        storage.commit(fence, &put(&["a"])).await,
        Err(StorageError::Closed)
    );
    let newer = IndexedDbStorage::new(&name).open().await;
    assert_eq!(newer, Err(StorageError::TooNew));
    gone(&name).await;
}

#[wasm_bindgen_test]
async fn who_watches_hears_of_a_deletion_at_once() {
    let (name, storage, _) = opened("watched").await;
    let losses = Rc::new(Cell::new(0));
    storage.watch_loss(Rc::new({
        let losses = losses.clone();
        move || losses.set(losses.get() + 1)
    }));
    delete_database(&name).await.expect("its owner gives way");
    assert_eq!(losses.get(), 1);
    assert_eq!(storage.fence().await, Err(StorageError::Deleted));
    gone(&name).await;
}

/// An older version of the code that does not give way.
#[wasm_bindgen_test]
async fn a_blocked_upgrade_says_so() {
    let (name, storage, _) = opened("blocked").await;
    storage.close().await;
    let hold = format!(
        r#"new Promise(done => {{
            const request = indexedDB.open("{name}");
            request.onsuccess = () => {{ done(request.result); }};
        }})"#
    );
    let holder = run(&hold).await.expect("it opens");
    let newer = Patch::new(
        r#"(factory => {
            const original = factory.open;
            factory.open = function (name, version) {
                return original.call(this, name, version + 1);
            };
            return () => { factory.open = original; };
        })(IDBFactory.prototype)"#,
    );
    let blocked = IndexedDbStorage::new(&name).open().await;
    drop(newer);
    assert_eq!(blocked, Err(StorageError::Blocked));
    let holder: web_sys::IdbDatabase = holder.unchecked_into();
    holder.close();
    gone(&name).await;
}

#[wasm_bindgen_test]
async fn deleting_a_database_that_is_held_says_so() {
    let (name, storage, _) = opened("held").await;
    storage.close().await;
    let hold = format!(
        r#"new Promise(done => {{
            const request = indexedDB.open("{name}");
            request.onsuccess = () => {{ done(request.result); }};
        }})"#
    );
    let holder = run(&hold).await.expect("it opens");
    assert_eq!(delete_database(&name).await, Err(StorageError::Blocked));
    let holder: web_sys::IdbDatabase = holder.unchecked_into();
    holder.close();
    gone(&name).await;
}

/// A view of wasm's memory would take the whole memory with it.
#[wasm_bindgen_test]
async fn a_value_is_stored_without_the_memory_around_it() {
    let (name, storage, fence) = opened("copies").await;
    let patch = Patch::new(
        r#"(store => {
            const original = store.put;
            globalThis.patchCalls = [];
            store.put = function (value, key) {
                globalThis.patchCalls.push(`${value.buffer.byteLength} ${value.byteLength}`);
                return original.call(this, value, key);
            };
            return () => { store.put = original; };
        })(IDBObjectStore.prototype)"#,
    );
    let mut batch = WriteBatch::default();
    batch.put(Store::Segment, b"k".to_vec(), vec![1; 100].into());
    storage.commit(fence, &batch).await.expect("it is open");
    assert_eq!(patch.calls(), ["100 100", "24 24"]);
    drop(patch);
    gone(&name).await;
}

#[wasm_bindgen_test]
async fn durability_is_the_batch_s() {
    let (name, storage, mut fence) = opened("durability").await;
    let patch = Patch::new(
        r#"(database => {
            const original = database.transaction;
            globalThis.patchCalls = [];
            database.transaction = function (stores, mode, options) {
                globalThis.patchCalls.push(`${mode} ${options.durability}`);
                return original.call(this, stores, mode, options);
            };
            return () => { database.transaction = original; };
        })(IDBDatabase.prototype)"#,
    );
    for durability in [Durability::Strict, Durability::Relaxed] {
        let batch = WriteBatch {
            durability,
            ..put(&["a"])
        };
        fence = storage.commit(fence, &batch).await.expect("it is open");
    }
    assert_eq!(patch.calls(), ["readwrite strict", "readwrite relaxed"]);
    drop(patch);
    gone(&name).await;
}

const NONE: [&str; 0] = [];

/// Records the calls that make up a transaction, if they do not throw, and when the fence's `get` is answered.
const TRACE: &str = r#"(() => {
    const calls = globalThis.patchCalls = [];
    const restores = [];
    const trace = (prototype, method, then) => {
        const original = prototype[method];
        prototype[method] = function (...parameters) {
            const result = original.apply(this, parameters);
            calls.push(this.name ? `${this.name}.${method}` : method);
            then?.(this, result);
            return result;
        };
        restores.push(() => { prototype[method] = original; });
    };
    trace(IDBObjectStore.prototype, "put");
    trace(IDBObjectStore.prototype, "delete");
    trace(IDBObjectStore.prototype, "get", (store, request) => {
        request.addEventListener("success", () => calls.push(`${store.name}.success`));
    });
    trace(IDBTransaction.prototype, "commit");
    trace(IDBTransaction.prototype, "abort");
    return () => restores.forEach(restore => restore());
})()"#;

/// Makes the next `count` transactions throw as those of a lost connection do.
fn throwing_transactions(count: u32) -> String {
    format!(
        r#"(database => {{
            const original = database.transaction;
            let left = {count};
            database.transaction = function (...parameters) {{
                if (left-- > 0) throw new DOMException("The connection is closing", "InvalidStateError");
                return original.apply(this, parameters);
            }};
            return () => {{ database.transaction = original; }};
        }})(IDBDatabase.prototype)"#
    )
}

/// A change to the browser's own classes, taken back when it is dropped.
pub struct Patch {
    restore: js_sys::Function,
}

impl Patch {
    /// Evaluates `code`, which makes the change and returns the function that takes it back.
    pub fn new(code: &str) -> Patch {
        let restore = eval(code).expect("the patch fits this engine");
        Patch {
            restore: restore.unchecked_into(),
        }
    }

    /// What the patch has recorded since the last call.
    fn calls(&self) -> Vec<String> {
        let calls: Array = eval("patchCalls.splice(0)")
            .expect("the patch records")
            .unchecked_into();
        calls.iter().filter_map(|call| call.as_string()).collect()
    }
}

impl Drop for Patch {
    fn drop(&mut self) {
        self.restore.call0(&JsValue::NULL).expect("it was patched");
    }
}

/// Evaluates `code`, which returns a promise, and waits for that.
async fn run(code: &str) -> Result<JsValue, JsValue> {
    let promise: js_sys::Promise = eval(code)?.unchecked_into();
    JsFuture::from(promise).await
}

/// The name of a database that does not exist.
async fn fresh(test: &str) -> String {
    let name = format!("tablog-test-storage-{test}");
    gone(&name).await;
    name
}

async fn gone(name: &str) {
    delete_database(name).await.expect("nobody holds it");
}

async fn opened(test: &str) -> (String, IndexedDbStorage, Fence) {
    let name = fresh(test).await;
    let storage = IndexedDbStorage::new(&name);
    let fence = storage.open().await.expect("it can be opened");
    (name, storage, fence)
}

async fn keys(storage: &IndexedDbStorage) -> Vec<String> {
    let read = storage
        .read(&KeyRange::all(Store::Journal), usize::MAX)
        .await;
    let read = read.expect("it is open");
    let key = |key| String::from_utf8(key).expect("the test wrote it");
    read.into_iter().map(|entry| key(entry.key)).collect()
}

fn put(keys: &[&str]) -> WriteBatch {
    let mut batch = WriteBatch::default();
    for &key in keys {
        batch.put(Store::Journal, key.into(), key.to_owned().into());
    }
    batch
}
