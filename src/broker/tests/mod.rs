//! A whole node, broker and controller, asked through its door.

mod groups;
mod node;
mod records;
mod topics;
