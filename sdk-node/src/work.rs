//! A call on one of libuv's threads, so that Node's loop goes on.

use crate::answer::Answer;
use crate::call::{Call, make};
use crate::vault::Opened;
use napi::{Env, Result, Task};
use std::sync::Arc;

/// A call that is on its way.
pub struct Work {
    /// The vault.
    pub opened: Arc<Opened>,
    /// The call.
    pub call: Call,
}

impl Task for Work {
    type Output = Answer;
    type JsValue = Answer;

    fn compute(&mut self) -> Result<Answer> {
        Ok(make(&self.opened, &mut self.call))
    }

    fn resolve(&mut self, _env: Env, answer: Answer) -> Result<Answer> {
        Ok(answer)
    }
}
