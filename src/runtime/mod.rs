//! The async edge: drives the state machines with the browser's (or Node's) clock, storage and
//! ports. Only this room and `storage::indexed_db` touch the platform.

mod broker_host;
mod client_host;
mod clock;
mod commits;
mod departed;
mod entropy;
mod port;
mod tap;
mod timer;
mod turns;

pub use broker_host::{BrokerHost, HostError};
pub use client_host::{ClientEdge, ClientHost};
pub use entropy::{random_u64, seed};
pub use port::Port;
pub use tap::{Direction, Tap, TapFrame};
