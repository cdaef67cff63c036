//! Small work on one core, large work on all.

use crate::error::Result;
use rayon::prelude::*;

/// Below this many items, starting threads costs more than they bring.
const FEW: usize = 16;

/// Does `work` for every item; stops at an error.
pub(crate) fn try_each<T: Sync>(items: &[T], work: impl Fn(&T) -> Result<()> + Sync + Send) -> Result<()> {
    if items.len() < FEW { items.iter().try_for_each(work) } else { items.par_iter().try_for_each(work) }
}

/// What `work` makes of every item, in their order.
pub(crate) fn map<T: Send, U: Send>(items: Vec<T>, work: impl Fn(T) -> U + Sync + Send) -> Vec<U> {
    if items.len() < FEW { items.into_iter().map(work).collect() } else { items.into_par_iter().map(work).collect() }
}
