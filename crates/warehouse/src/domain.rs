//! Rules without I/O.

pub(crate) mod item;
pub(crate) mod level;
pub(crate) mod location;
pub(crate) mod movement;
pub(crate) mod reservation;
