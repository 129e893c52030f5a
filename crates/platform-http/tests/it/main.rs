//! The HTTP contract, driven through a small system that has a route for every extractor.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests fail by panicking"
)]

mod auth;
mod checks;
mod connections;
mod exports;
mod harness;
mod imports;
mod limits;
mod logs;
mod probes;
mod problems;
mod reads;
mod writes;
