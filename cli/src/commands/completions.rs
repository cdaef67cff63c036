//! `completions`

use crate::app::{App, Completions, Shell};
use crate::exit::{Code, Outcome};
use crate::output;
use clap::CommandFactory;
use clap_complete::Shell as Generator;

/// Prints a completion script.
pub fn run(args: &Completions) -> Outcome {
    let generator = match args.shell {
        Shell::Bash => Generator::Bash,
        Shell::Zsh => Generator::Zsh,
        Shell::Fish => Generator::Fish,
        Shell::Powershell => Generator::PowerShell,
    };
    let mut script = Vec::new();
    clap_complete::generate(generator, &mut App::command(), "agent-vault", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(Code::Done)
}
