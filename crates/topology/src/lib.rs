#![doc = include_str!("../README.md")]

mod error;
mod fields;
mod office;
mod point;
mod region;
mod world;

pub use error::{TopologyError, TopologyErrors};
pub use office::Office;
pub use point::{Point, PointError, by_distance, distance_km};
pub use region::Region;
pub use world::Topology;
