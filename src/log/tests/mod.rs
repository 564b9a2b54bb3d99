mod node;

mod append;
mod commit;
mod compaction;
mod lookup;
mod opening;
mod read;
mod retention;
mod transaction;
