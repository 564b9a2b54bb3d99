//! A whole node, broker and controller, asked through its door.

mod node;
mod records;
mod topics;
