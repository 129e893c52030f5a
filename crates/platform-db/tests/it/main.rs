//! On a real PostgreSQL: writes under every fault, reads, receipts, migrations.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests")]

mod cached;
mod cockroach;
mod connecting;
mod doctor;
mod faults;
mod fixture;
mod hosts;
mod hot;
mod limits;
mod migrate;
mod offices;
mod placement;
mod reads;
mod receipts;
mod restart;
mod rows;
mod search;
mod sequencer;
mod statements;
mod template;
mod tls;
mod unreachable;
mod wire;
mod writes;
