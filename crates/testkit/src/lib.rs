#![doc = include_str!("../README.md")]

pub mod db;

pub use db::TestDb;
