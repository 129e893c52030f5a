//! The embedded database as it is: real servers, real processes, really killed.

#![cfg(test)]

mod engine;
mod support;
