//! indexed_db
