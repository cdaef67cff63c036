//! What every face of the vault begins with, written once: where the home is, which vault is meant, which key reads it,
//! how fresh it has to be, and what a person or a program should hear of meanwhile.
//!
//! The core knows no environment. A face says how a variable is looked up ([`surroundings`]) and who listens
//! ([`Listener`]); an [`Opening`] does the rest, the same for the command line and for the bindings.

mod found;
pub mod message;
mod news;
mod opening;
mod push;
pub mod receiving;
pub mod references;
pub mod surroundings;
mod told;
pub mod who;
pub mod words;

pub use message::{Listener, Message};
pub use news::{lines, remark};
pub use opening::{Found, Key, Opening};
pub use told::Told;
