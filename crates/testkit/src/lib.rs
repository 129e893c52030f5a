#![doc = include_str!("../README.md")]

mod call;
pub mod db;
pub mod proxy;
pub mod server;

pub use call::{call, call_with_budget, eventually, intent};
pub use db::TestDb;
pub use proxy::Proxy;
pub use server::Server;
