//! A whole node, broker and controller, asked through its door.

mod groups;
mod life;
mod node;
mod records;
mod retention;
mod storm;
mod topics;
