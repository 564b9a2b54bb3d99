//! The command of the simulator.

fn main() {}
