//! Carries out storage requests: commits one after the other, loads at once.

use crate::storage::settle::commit_settled;
use crate::storage::{
    Fence, Storage, StorageError, StorageReply, StorageRequest, Ticket, WriteBatch,
};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use wasm_bindgen_futures::spawn_local;

/// A node's storage, whatever its kind.
pub trait Drive {
    /// Carries out a request; its reply goes to the `on_reply` of the driver.
    fn request(self: Rc<Self>, request: StorageRequest);
    /// Takes nothing more and lets go of the medium.
    fn close(self: Rc<Self>);
}

/// Drives one storage whose fence it holds.
pub struct StorageDriver<S> {
    storage: S,
    fence: Cell<Fence>,
    commits: RefCell<VecDeque<(Ticket, WriteBatch)>>,
    committing: Cell<bool>,
    on_reply: Box<dyn Fn(StorageReply)>,
    on_gone: Box<dyn Fn(StorageError)>,
}

impl<S: Storage + 'static> StorageDriver<S> {
    /// Takes over an open storage. `on_gone` is told when it is found deleted, or wanted by a newer
    /// version, though nobody asks for anything.
    pub fn new(
        storage: S,
        fence: Fence,
        on_reply: impl Fn(StorageReply) + 'static,
        on_gone: impl Fn(StorageError) + 'static,
    ) -> Rc<Self> {
        let driver = Rc::new(StorageDriver {
            storage,
            fence: Cell::new(fence),
            commits: RefCell::default(),
            committing: Cell::new(false),
            on_reply: Box::new(on_reply),
            on_gone: Box::new(on_gone),
        });
        let watched = Rc::downgrade(&driver);
        driver.storage.watch_loss(Rc::new(move || {
            if let Some(driver) = watched.upgrade() {
                spawn_local(driver.look_whether_gone());
            }
        }));
        driver
    }

    async fn look_whether_gone(self: Rc<Self>) {
        if let Err(error @ (StorageError::Deleted | StorageError::Closed | StorageError::TooNew)) =
            self.storage.fence().await
        {
            (self.on_gone)(error);
        }
    }

    async fn commit_all(self: Rc<Self>) {
        loop {
            let next = self.commits.borrow_mut().pop_front();
            let Some((ticket, batch)) = next else { break };
            let result = commit_settled(&self.storage, self.fence.get(), &batch).await;
            let result = result.map(|fence| self.fence.set(fence));
            (self.on_reply)(StorageReply::Committed { ticket, result });
        }
        self.committing.set(false);
    }
}

impl<S: Storage + 'static> Drive for StorageDriver<S> {
    fn request(self: Rc<Self>, request: StorageRequest) {
        match request {
            StorageRequest::Commit { ticket, batch } => {
                self.commits.borrow_mut().push_back((ticket, batch));
                if !self.committing.replace(true) {
                    spawn_local(self.commit_all());
                }
            }
            StorageRequest::Load {
                ticket,
                range,
                bytes_max,
            } => spawn_local(async move {
                let result = self.storage.read(&range, bytes_max).await;
                (self.on_reply)(StorageReply::Loaded { ticket, result });
            }),
        }
    }

    fn close(self: Rc<Self>) {
        spawn_local(async move { self.storage.close().await });
    }
}
