//! `verify`

use crate::app::Verify;
use crate::exit::{Code, Outcome};
use crate::output;
use crate::setting::Setting;
use serde_json::json;

/// Verifies everything and counts.
pub fn run(setting: &Setting, args: &Verify) -> Outcome {
    let vault = setting.vault_to_look_at()?;
    let counts = vault.verify();
    crate::setting::tell(&vault);
    let counts = counts?;
    let fingerprint = super::fingerprint(&vault);
    if args.json.json {
        output::json(&json!({
            "ok": true,
            "vault": vault.id(),
            "owner": fingerprint,
            "roots": counts.roots,
            "signatures": counts.signatures,
            "digests": counts.digests,
            "recipient_sets": counts.recipient_sets,
        }))?;
    } else {
        output::print(&format!(
            "verified: {}, {}, {}, {} (owner {fingerprint})\n",
            output::count(counts.roots as usize, "root"),
            output::count(counts.signatures, "signature"),
            output::count(counts.digests, "digest"),
            output::count(counts.recipient_sets, "recipient set"),
        ))?;
    }
    Ok(Code::Done)
}
