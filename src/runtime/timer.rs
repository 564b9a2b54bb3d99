//! A timer that fires once.

use futures_channel::oneshot;
use js_sys::{Function, Reflect, global};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};

/// Fires once; dropping it before that cancels it.
///
/// In Node it does not keep the process alive, unlike a plain `setTimeout`: whoever uses a cluster
/// has a port open, and a broker that nobody uses any more must not hold a process up.
pub struct Timer {
    id: JsValue,
    /// Of the `setTimeout` that set it: tests of applications swap both for ones that do not know
    /// each other's timers.
    clear_timeout: Function,
    _callback: Closure<dyn FnMut()>,
}

impl Timer {
    /// Runs `callback` after so many milliseconds.
    pub fn after(ms: u32, callback: impl FnOnce() + 'static) -> Timer {
        let callback = Closure::once(callback);
        let id = function("setTimeout")
            .call2(&JsValue::UNDEFINED, callback.as_ref(), &JsValue::from(ms))
            .expect("setTimeout takes a function and a number");
        // Browsers give a number, Node an object.
        let unref = Reflect::get(&id, &JsValue::from_str("unref")).ok();
        if let Some(unref) = unref.and_then(|unref| unref.dyn_into::<Function>().ok()) {
            unref
                .call0(&id)
                .expect("unref of a timer that was just set cannot fail");
        }
        Timer {
            id,
            clear_timeout: function("clearTimeout"),
            _callback: callback,
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.clear_timeout
            .call1(&JsValue::UNDEFINED, &self.id)
            .expect("clearTimeout takes what setTimeout gave");
    }
}

/// Waits for so many milliseconds.
pub(super) async fn pause(ms: u32) {
    let (sender, receiver) = oneshot::channel::<()>();
    let _timer = Timer::after(ms, move || drop(sender));
    // The timer drops its end when it fires, which is what is waited for.
    let _ = receiver.await;
}

fn function(name: &str) -> Function {
    Reflect::get(&global(), &JsValue::from_str(name))
        .ok()
        .and_then(|value| value.dyn_into().ok())
        .expect("pages, workers and Node have timers")
}
