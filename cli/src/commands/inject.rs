//! `inject`

use crate::app::Inject;
use crate::delivery;
use crate::exit::{Code, Outcome};
use crate::output;
use crate::setting::{Setting, pretty};
use agent_vault_core::{Error, Result, SecretBytes, home};
use agent_vault_deliver::resolve::Wanted;
use agent_vault_deliver::{Text, Values};
use std::io::Read;
use std::path::Path;

/// The largest template.
const LARGEST: u64 = 16 << 20;

/// Writes a template with what its references stand for, all of it or nothing.
pub fn run(mut setting: Setting, args: &Inject) -> Outcome {
    setting.context.allow_old = args.looking.allow_old;
    let template = read(&args.input)?;
    let shown = if is_standard(&args.input) { "the template".to_owned() } else { pretty(&args.input) };
    let text = Text::of_template(template.expose())
        .map_err(|error| Error::Usage { message: format!("{shown}: {error}"), hint: error.hint() })?;
    let to = args.output.as_deref().filter(|to| !is_standard(to));
    if let Some(to) = to.filter(|to| !args.force && to.symlink_metadata().is_ok()) {
        return Err(Error::Exists {
            what: "file",
            name: to.display().to_string(),
            detail: "it is kept; --force replaces it".into(),
        }
        .into());
    }
    warn_of_bare(&shown, template.expose());
    let wanted: Vec<_> = text.references().map(|reference| Wanted { by: shown.clone(), reference }).collect();
    let values = match wanted.is_empty() {
        true => Values::default(),
        false => delivery::values(&setting, &args.looking, wanted)?,
    };
    let filled = text.fill(|reference| values.of(reference));
    match to {
        // Whatever stands there is replaced, and a link is not followed.
        Some(to) if args.force => home::replace_private(to, filled.expose(), true)?,
        Some(to) => home::create_private(to, filled.expose())?,
        None => output::raw(&mut std::io::stdout(), filled.expose())?,
    }
    Ok(Code::Done)
}

fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// A template may hold secrets of its own.
fn read(path: &Path) -> Result<SecretBytes> {
    let mut bytes = Vec::new();
    let read = match is_standard(path) {
        true => std::io::stdin().lock().take(LARGEST + 1).read_to_end(&mut bytes),
        false => std::fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)),
    };
    read.map_err(Error::io("read", path))?;
    match bytes.len() as u64 > LARGEST {
        true => Err(Error::Usage {
            message: format!("{} has more than {LARGEST} bytes", pretty(path)),
            hint: "give a smaller template".into(),
        }),
        false => Ok(SecretBytes::new(bytes)),
    }
}

/// A reference without braces is text: a file has no rule where one would end.
fn warn_of_bare(shown: &str, template: &[u8]) {
    for (number, line) in (1..).zip(template.split(|byte| *byte == b'\n')) {
        let scheme = b"av://";
        let bare = |at: &usize| line[*at..].starts_with(scheme) && (*at == 0 || line[*at - 1] != b'{');
        if (0..line.len()).any(|at| bare(&at)) {
            output::warn(&format!("{shown}, line {number}: av:// without braces stays as it is; write ${{av://…}}"));
        }
    }
}
