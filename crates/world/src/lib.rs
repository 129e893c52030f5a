#![doc = include_str!("../README.md")]

mod banner;
pub mod engine;
mod files;
pub mod guard;
pub mod http;
pub mod issuer;
pub mod ports;
pub mod process;
pub mod progress;
pub mod region;
pub mod seed;
pub mod setup;
pub mod state;
pub mod up;

pub use banner::DEFAULT_STATE;
pub use engine::{Engine, EngineError, EngineOptions};
pub use issuer::{Grant, GrantedOffices, Issuer, IssuerError, Ttl};
pub use progress::Progress;
pub use state::{Folder, Hold, StateError};
pub use up::{UpError, UpOptions, up};
