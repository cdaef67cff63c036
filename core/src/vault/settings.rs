//! The vault's settings, which are policy: an owner signs them.

use super::Owner;
use super::recorded::Act;
use crate::error::Result;

impl Owner<'_> {
    /// Says whether a read that cannot be recorded is refused ([`crate::Error::Unrecorded`]). Returns the commit; `None`
    /// when it was so already.
    ///
    /// # Errors
    /// Those of every write.
    pub fn set_audit_required(&self, required: bool) -> Result<Option<String>> {
        self.write(Act::about("settings", Some(format!("audit-required {required}"))), |mut session| {
            if session.manifest.settings.audit_required == required {
                return Ok(None);
            }
            session.put_manifest(|manifest| manifest.settings.audit_required = required)?;
            session.commit(&format!("set audit-required to {required}")).map(Some)
        })
    }
}
