//! `scan`

use super::Bar;
use super::findings::{Looking, how_to_excuse};
use crate::app::Scan;
use crate::exit::{Code, Outcome};
use crate::output;
use crate::setting::{Setting, pretty};
use agent_vault_core::{Error, Result};
use agent_vault_hooks::baseline::Baseline;
use agent_vault_hooks::report::{Excuses, Located};
use agent_vault_hooks::source::{self, Reach, Repo};
use std::io::Read;
use std::path::Path;

/// Looks for secrets where it is told to.
pub fn run(setting: &Setting, args: &Scan) -> Outcome {
    let looking = Looking::new(setting)?;
    let mut excuses = excuses(setting)?;
    if let Some(file) = &args.baseline {
        let absent = |source| Error::Io { action: "read", path: file.clone(), source };
        std::fs::metadata(file).map_err(absent)?;
        let bytes = read(file, agent_vault_hooks::baseline::LIMIT)?.unwrap_or_default();
        excuses.baseline = Baseline::parse(&file.display().to_string(), &bytes)?;
    } else if args.write_baseline.is_some() {
        // What was accepted before is accepted anew, or not.
        excuses.baseline = Baseline::default();
    }
    let (found, of_what) = look(setting, args, &looking)?;
    let (found, excused) = excuses.part(found);
    if let Some(file) = &args.write_baseline {
        let names: Vec<(String, &Located)> = found.iter().map(|located| (located.place.name(), located)).collect();
        let baseline = Baseline::of(names.iter().map(|(name, located)| (name.as_str(), &located.finding)));
        std::fs::write(file, baseline.render()).map_err(|source| Error::Io {
            action: "write",
            path: file.clone(),
            source,
        })?;
        output::note(&format!("{} accepted in {}", output::count(baseline.len(), "finding"), pretty(file)));
        return Ok(Code::Done);
    }
    let code = looking.tell(setting, &found, excused.len(), args.json.json)?;
    let excused = if excused.is_empty() { String::new() } else { format!(", {} excused", excused.len()) };
    output::note(&format!("{of_what}: {}{excused}", output::count(found.len(), "finding")));
    if !found.is_empty() {
        output::note(&format!(
            "what was committed stays in history: change each secret at its source, then keep the new one in the vault\n{}",
            how_to_excuse(&found)
        ));
    }
    Ok(code)
}

/// Looks at what the arguments name, and says what that was.
fn look(setting: &Setting, args: &Scan, looking: &Looking) -> Result<(Vec<Located>, String)> {
    let repo = Repo::around(&setting.dir);
    let reach = match &args.range {
        Some(range) => Some(Reach::range(range)?),
        None => args.history.then_some(Reach::All),
    };
    if let Some(reach) = reach {
        let bar = Bar::new("scanning commits");
        let (found, walked) = source::history(&repo, &reach, &looking.scanner, &|done, all| bar.tick(done, all))?;
        let commits = output::count(walked.commits, "commit");
        return Ok((found, format!("{commits}, {}", output::count(walked.blobs, "blob"))));
    }
    let (found, files) = match (&args.paths[..], repo.open_if_there()?) {
        ([], Some(git)) => source::worktree(&git, &looking.scanner)?,
        ([], None) => source::files(std::slice::from_ref(&setting.dir), &looking.scanner)?,
        (paths, _) => source::files(paths, &looking.scanner)?,
    };
    Ok((found, output::count(files, "file")))
}

/// The excuses at the top of the work tree around here.
fn excuses(setting: &Setting) -> Result<Excuses> {
    let git = Repo::around(&setting.dir).open_if_there()?;
    let top = git.as_ref().and_then(|git| git.workdir()).unwrap_or(&setting.dir).to_path_buf();
    Excuses::read(|name, limit| read(&top.join(name), limit))
}

/// A file that may be absent, up to a limit and one byte more, which its parser refuses.
fn read(file: &Path, limit: usize) -> Result<Option<Vec<u8>>> {
    let fail = |source| Error::Io { action: "read", path: file.into(), source };
    match std::fs::metadata(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error)),
        Ok(metadata) if !metadata.is_file() => {
            return Err(Error::Corrupt { file: file.into(), reason: "it is no file".into() });
        }
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(fail)?;
    opened.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(fail)?;
    Ok(Some(bytes))
}
