//! A whole node, broker and controller, asked through its door.

#[cfg(not(target_family = "wasm"))]
mod channels;
mod configs;
mod damage;
mod frames;
mod groups;
mod life;
mod names;
mod node;
mod records;
mod retention;
#[cfg(not(target_family = "wasm"))]
mod scale;
mod storm;
mod topics;
