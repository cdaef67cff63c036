#![doc = include_str!("lib.md")]

pub mod allowed;
pub mod credential;
pub mod dotenv;
pub mod environment;
pub mod export;
mod field;
pub mod import;
#[cfg(any(test, feature = "laws"))]
#[doc(hidden)]
pub mod laws;
pub mod mask;
pub mod reference;
pub mod render;
pub mod resolve;
pub mod seal;
pub mod shell;
pub mod text;
pub mod variable;

pub use mask::Masker;
pub use reference::Reference;
pub use resolve::{Failure, Reader, Values, Vaults, resolve};
pub use text::Text;
pub use variable::Name;
