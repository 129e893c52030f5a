//! The world as its users see it.

#![cfg(test)]

mod answers;
mod authorization;
mod commands;
mod events;
mod failures;
mod hostile;
mod http;
mod items;
mod lifecycle;
mod model;
mod nearest;
mod order_kills;
mod processes;
mod stock;
mod stories;
mod wait;
mod walkthrough;
mod world;
