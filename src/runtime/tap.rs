//! The tap on the door: frames that pass, for whoever watches.

use crate::machine::ConnectionId;
use bytes::Bytes;
use std::cell::RefCell;
use std::rc::Rc;

/// Which way a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the broker.
    Request,
    /// From the broker.
    Response,
}

/// One frame that passes.
#[derive(Clone, Debug)]
pub struct TapFrame {
    /// Whose it is.
    pub connection: ConnectionId,
    /// Which way it goes.
    pub direction: Direction,
    /// The frame, shared with the broker.
    pub frame: Bytes,
}

type Watcher = Rc<dyn Fn(TapFrame)>;

/// Where a watcher can be put. It costs nothing while there is none.
#[derive(Default)]
pub struct Tap {
    watcher: RefCell<Option<Watcher>>,
}

impl Tap {
    /// Puts a watcher there, in place of the one before.
    pub fn set(&self, watcher: Option<Watcher>) {
        *self.watcher.borrow_mut() = watcher;
    }

    /// Shows a frame to the watcher, if there is one. The borrow ends before the watcher runs.
    pub fn show(&self, connection: ConnectionId, direction: Direction, frame: &Bytes) {
        let watcher = self.watcher.borrow().clone();
        if let Some(watcher) = watcher {
            watcher(TapFrame {
                connection,
                direction,
                frame: frame.clone(),
            });
        }
    }
}
