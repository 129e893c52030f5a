//! Rules without I/O.

pub(crate) mod item;
pub(crate) mod location;
pub(crate) mod reservation;
