mod node;

mod append;
mod commit;
mod opening;
mod read;
