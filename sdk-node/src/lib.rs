//! agent-vault for Node.js: thin calls of the core on libuv's threads.
//!
//! The classes that programs use are in `ts/`; this addon is theirs alone. Nothing here decides anything about a vault, and
//! nothing here throws what a program should tell apart: an answer holds the value or what is wrong, and `ts/errors.ts` makes
//! an exception of that.
#![deny(missing_docs)]

mod answer;
mod call;
mod claimed;
mod secret;
mod vault;
mod work;
