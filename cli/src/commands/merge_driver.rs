//! `merge-driver`

use crate::app::MergeDriver;
use crate::exit::{Code, Outcome};
use crate::output;
use agent_vault_core::Error;
use agent_vault_core::vault::driver::{Taken, take};

/// Leaves one side's file for Git, which calls this for each file of a vault that both sides changed.
pub fn run(args: &MergeDriver) -> Outcome {
    let read = |file: &std::path::Path| std::fs::read(file).map_err(Error::io("read", file));
    let (base, ours, theirs) = (read(&args.base)?, read(&args.ours)?, read(&args.theirs)?);
    match take(&args.path, &base, &ours, &theirs) {
        Taken::Ours => {}
        Taken::Theirs => std::fs::write(&args.ours, theirs).map_err(Error::io("write", &args.ours))?,
        Taken::Neither => {
            output::note(&format!(
                "{}: both sides moved it; `agent-vault sync` merges that",
                output::one_line(&args.path)
            ));
            return Ok(Code::Other);
        }
    }
    output::note(&format!("{}: one side's for now; `agent-vault sync` merges it", output::one_line(&args.path)));
    Ok(Code::Done)
}
