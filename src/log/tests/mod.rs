mod node;

mod append;
mod commit;
mod compaction;
mod damage;
mod lookup;
mod opening;
#[cfg(feature = "planted")]
mod planted;
mod random;
mod read;
mod retention;
mod slow_topics;
mod transaction;
