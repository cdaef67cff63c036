//! A value that is not shown.

use agent_vault_core::SecretBytes;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use std::sync::{Mutex, PoisonError};

/// A secret's value, outside JavaScript's memory, until it is wiped or collected.
#[napi]
pub struct NativeSecret(Mutex<Option<SecretBytes>>);

impl NativeSecret {
    /// A value that was read.
    pub fn new(value: SecretBytes) -> Self {
        Self(Mutex::new(Some(value)))
    }

    fn copy(&self) -> Option<SecretBytes> {
        let value = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        value.as_ref().map(|value| SecretBytes::new(value.expose().to_vec()))
    }
}

#[napi]
impl NativeSecret {
    /// The value as text; nothing where it is no text or was wiped.
    #[napi]
    pub fn text(&self) -> Option<String> {
        let value = self.copy()?;
        value.text("").map(str::to_owned).ok()
    }

    /// The value, byte for byte; nothing where it was wiped.
    #[napi]
    pub fn bytes(&self) -> Option<Buffer> {
        Some(self.copy()?.expose().to_vec().into())
    }

    /// Whether the value was wiped.
    #[napi(getter)]
    pub fn wiped(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Overwrites the value. Afterwards there is none.
    #[napi]
    pub fn wipe(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}
