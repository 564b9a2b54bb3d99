//! Events that wait for their turn.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

/// Events that wait for their turn: a machine is never entered while it runs.
pub struct Turns<T> {
    waiting: RefCell<VecDeque<T>>,
    taking: Cell<bool>,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Turns {
            waiting: RefCell::default(),
            taking: Cell::new(false),
        }
    }
}

impl<T> Turns<T> {
    /// Hands `event` to `take`, and all that comes meanwhile, one after the other. Where that goes
    /// on already, the event is handed over there.
    pub fn push(&self, event: T, take: impl Fn(T)) {
        self.waiting.borrow_mut().push_back(event);
        if self.taking.replace(true) {
            return;
        }
        loop {
            let next = self.waiting.borrow_mut().pop_front();
            let Some(event) = next else { break };
            take(event);
        }
        self.taking.set(false);
    }
}
