#![doc = include_str!("../README.md")]
#![expect(
    clippy::expect_used,
    reason = "a test without its fixture has failed, and says why"
)]

pub mod app;
mod call;
pub mod db;
mod emptying;
mod explain;
mod opening;
mod placement;
mod portable;
pub mod proxy;
mod region;
pub mod server;
mod slot;
mod template;
pub mod wire;

pub use app::{Answer, TestApp};
pub use call::{call, call_with_budget, eventually, intent, strong};
pub use db::{APP_PASSWORD, Engine, TestDb};
pub use explain::record;
pub use placement::misplaced;
pub use proxy::Proxy;
pub use region::HungRegion;
pub use server::Server;
pub use wire::{Act, CockroachProxy, Did, Rule, When, WireProxy};
