//! The embedded database as it is: real servers, real processes, really killed; and the plans for
//! CockroachDB, as they would be run.

#![cfg(test)]

mod doctor;
mod engine;
mod placement;
mod support;
