#![doc = include_str!("../README.md")]

pub mod secret;
pub mod shutdown;
pub mod tasks;
pub mod telemetry;

pub use secret::Secret;
pub use shutdown::Shutdown;
pub use tasks::Tasks;
