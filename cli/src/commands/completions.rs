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
    // clap_complete writes the hyphen of our name in two ways, and bash then completes no subcommand (clap issue 6421).
    let script = String::from_utf8_lossy(&script).replace("agent__subcmd__vault", "agent__vault");
    output::print(&script)?;
    Ok(Code::Done)
}
