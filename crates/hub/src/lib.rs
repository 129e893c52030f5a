#![doc = include_str!("../README.md")]

mod api;
mod app;
mod load;
mod ops;
mod peers;
mod views;

pub use api::system;
pub use app::App;
pub use load::{LoadError, index_missing, load_offices};
pub use peers::Peers;
