//! What time it is.

use crate::now::{Instant, Now, Timestamp};
use js_sys::{Date, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Performance;

/// The platform's two clocks.
#[derive(Clone)]
pub struct Clock {
    performance: Performance,
}

impl Clock {
    /// Finds the clocks of this global scope: a window, a worker or Node.
    pub fn new() -> Clock {
        let performance = Reflect::get(&js_sys::global(), &JsValue::from_str("performance"))
            .expect("the global scope is an object");
        Clock {
            performance: performance.unchecked_into(),
        }
    }

    /// The moment of the event that is about to be handled.
    pub fn now(&self) -> Now {
        Now {
            monotonic: Instant(self.performance.now() as u64),
            wall: Timestamp(Date::now() as i64),
        }
    }
}

/// Milliseconds until `instant`, as a timer takes them.
pub fn ms_until(now: Now, instant: Instant) -> u32 {
    u32::try_from(instant.ms_since(now.monotonic))
        .unwrap_or(u32::MAX)
        .min(TIMER_MS_MAX)
}

/// Timers hold their delay in an i32 and fire at once beyond it; waking early is harmless.
const TIMER_MS_MAX: u32 = i32::MAX as u32;
