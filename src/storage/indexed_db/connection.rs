//! One connection to a database, from opening it to losing it.

use super::TRANSACTION_MS_MAX;
use super::failure::Failure;
use super::value::store_names;
use crate::storage::StorageError;
use futures_channel::oneshot;
use futures_util::future::{Either, select};
use gloo_events::EventListener;
use gloo_timers::future::TimeoutFuture;
use indexed_db_futures::database::Database;
use indexed_db_futures::internals::SystemRepr;
use indexed_db_futures::prelude::*;
use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use wasm_bindgen::JsCast;
use web_sys::{IdbOpenDbRequest, IdbVersionChangeEvent};

/// Changes only if the object stores do. A new kind of row needs no new version.
const SCHEMA_VERSION: u32 = 1;

/// Deletes a database. Its owners lose it at once; they answer [`StorageError::Deleted`].
///
/// [`StorageError::Blocked`]: some other code has it open and does not give it up. It is deleted
/// when that ends.
pub async fn delete_database(name: &str) -> Result<(), StorageError> {
    let deleted = delete(name).await;
    deleted.map_err(|failure| match failure {
        Failure::Storage(error) => error,
        Failure::Lost(why) | Failure::Unknown(why) => StorageError::Failed(why),
    })
}

async fn delete(name: &str) -> Result<(), Failure> {
    let request = Database::delete_by_name(name)?;
    // The crate has no listener for this one.
    let (sender, blocked) = oneshot::channel();
    let _listener = EventListener::once(request.as_sys(), "blocked", move |_| {
        // Nobody waits any more only if the request has ended.
        let _ = sender.send(());
    });
    match select(request, blocked).await {
        Either::Left((deleted, _)) => Ok(deleted?),
        Either::Right(_) => Err(StorageError::Blocked.into()),
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// The browser closed it. The database may be there still.
    Died,
    /// Another context wants to upgrade the database.
    Upgrade,
    /// Another context deletes the database.
    Deleted,
}

/// An open connection. It closes when it is dropped.
pub(super) struct Connection {
    database: Database,
    loss: Rc<Cell<Option<Loss>>>,
    _listeners: [EventListener; 2],
}

impl Connection {
    /// Opens the database `name`. If there is none, creates it or answers
    /// [`StorageError::Deleted`]. `on_loss` hears of its end, if that is not by us.
    pub(super) async fn open(
        name: &str,
        create: bool,
        on_loss: Rc<dyn Fn()>,
    ) -> Result<Connection, Failure> {
        let request: Rc<OnceCell<IdbOpenDbRequest>> = Rc::default();
        let missing = Rc::new(Cell::new(false));
        let (sender, blocked) = oneshot::channel();
        let opening = Database::open(name)
            .with_version(SCHEMA_VERSION)
            .with_on_blocked(move |_| {
                // Nobody waits any more only if the request has ended.
                let _ = sender.send(());
                Ok(())
            })
            .with_on_upgrade_needed({
                let (request, missing) = (request.clone(), missing.clone());
                move |_, database| {
                    if create {
                        let found: Vec<String> = database.object_store_names().collect();
                        for name in store_names().filter(|name| !found.iter().any(|it| it == name))
                        {
                            database.create_object_store(name).build()?;
                        }
                    } else {
                        missing.set(true);
                        // The crate aborts by throwing out of the event handler, which would be
                        // reported to the page as an uncaught error.
                        if let Some(upgrade) = request.get().and_then(|it| it.transaction()) {
                            upgrade.abort()?;
                        }
                    }
                    Ok(())
                }
            })
            .build()?;
        let _ = request.set(opening.as_sys().clone());
        let given_up = match select(
            opening,
            select(blocked, TimeoutFuture::new(TRANSACTION_MS_MAX)),
        )
        .await
        {
            Either::Left((Ok(database), _)) => return Ok(Connection::new(database, on_loss)),
            Either::Left((Err(_), _)) if missing.get() => {
                return Err(StorageError::Deleted.into());
            }
            Either::Left((Err(error), _)) => return Err(error.into()),
            Either::Right(given_up) => given_up,
        };
        let (why, opening) = given_up;
        wasm_bindgen_futures::spawn_local(async {
            // A connection without an owner would block every later upgrade and deletion.
            if let Ok(database) = opening.await {
                database.close();
            }
        });
        Err(match why {
            Either::Left(_) => StorageError::Blocked.into(),
            Either::Right(_) => Failure::Lost(format!(
                "the database did not open within {TRANSACTION_MS_MAX} ms"
            )),
        })
    }

    /// What transactions are made of.
    pub(super) fn database(&self) -> &Database {
        &self.database
    }

    /// Why it cannot be used any more, if that is known.
    pub(super) fn loss(&self) -> Option<Loss> {
        self.loss.get()
    }

    /// Closes it after the transactions that are under way.
    pub(super) fn close(&self) {
        self.database.as_sys().close();
    }

    fn new(database: Database, on_loss: Rc<dyn Fn()>) -> Connection {
        let loss = Rc::new(Cell::new(None));
        let died = EventListener::new(database.as_sys(), "close", {
            let (loss, on_loss) = (loss.clone(), on_loss.clone());
            move |_| {
                loss.set(loss.get().or(Some(Loss::Died)));
                on_loss();
            }
        });
        // Not the crate's listener: that is read by a task, and whoever waits for us is told
        // "blocked" if the connection is still open when this event has been handled.
        let changed = EventListener::new(database.as_sys(), "versionchange", {
            let (loss, database) = (loss.clone(), database.clone());
            move |event| {
                let event: &IdbVersionChangeEvent = event.unchecked_ref();
                loss.set(Some(match event.new_version() {
                    None => Loss::Deleted,
                    Some(_) => Loss::Upgrade,
                }));
                database.as_sys().close();
                on_loss();
            }
        });
        Connection {
            database,
            loss,
            _listeners: [died, changed],
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.close();
    }
}
