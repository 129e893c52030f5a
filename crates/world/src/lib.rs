#![doc = include_str!("../README.md")]

pub mod engine;
mod files;
pub mod guard;
pub mod http;
pub mod issuer;
pub mod ports;
pub mod process;
pub mod progress;
pub mod state;

pub use engine::{Engine, EngineError, EngineOptions};
pub use issuer::{Grant, GrantedOffices, Issuer, IssuerError, Ttl};
pub use progress::Progress;
pub use state::{Folder, Hold, StateError};
