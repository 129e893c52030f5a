//! The files of `regions/` and every way in which such files can be wrong.

#![cfg(test)]

mod broken;
mod files;
