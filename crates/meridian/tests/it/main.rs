//! The binary as scripts use it: arguments in, two streams and an exit code out.

#![cfg(test)]

mod cli;
mod cluster;
mod doctor;
mod hosts;
mod support;
mod token;
mod up;
