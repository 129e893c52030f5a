//! The embedded database as it is: real servers, real processes, really killed.

mod engine;
mod support;
