//! `completions`

use crate::app::Completions;
use crate::complete;
use crate::exit::{Code, Outcome};
use crate::output;

/// Prints a completion script.
pub fn run(args: &Completions) -> Outcome {
    output::print(&String::from_utf8_lossy(&complete::script(args.shell)?))?;
    Ok(Code::Done)
}
