//! Counts steps. A step is one basic block: what is done is counted whatever code it runs through,
//! so a scan of everything is seen wherever somebody writes one.

/// Only one thread runs. Nothing may be called to count a step: what is called is counted.
static mut STEPS: u64 = 0;

#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_trace_pc() {
    // SAFETY: there is one thread.
    unsafe { STEPS += 1 }
}

/// How many there were.
pub fn steps() -> u64 {
    // SAFETY: there is one thread.
    unsafe { STEPS }
}
