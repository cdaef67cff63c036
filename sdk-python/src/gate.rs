//! What makes `fork` safe: a fork waits until no call is at work in the core, so that the child inherits no lock that nobody
//! will ever release; and the child does its parallel work on threads of its own, since rayon's did not come along.
//!
//! Numbers that are changed as a whole, and no lock: a lock here would be the one that the child inherits.

use pyo3::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// How often a waiting thread looks again. Forks are rare and calls short.
const GLANCE: Duration = Duration::from_micros(50);
/// One fork that is about to happen; below it, the number of calls at work.
const FORK: u64 = 1 << 32;

static GATE: AtomicU64 = AtomicU64::new(0);
/// The process that imported this module.
static ORIGIN: OnceLock<u32> = OnceLock::new();
/// The threads of a forked child.
static POOL: Mutex<Option<(u32, Arc<rayon::ThreadPool>)>> = Mutex::new(None);

/// A call at work; it counts until it is dropped.
struct Inside;

impl Inside {
    fn new() -> Self {
        while GATE.fetch_add(1, Ordering::AcqRel) >= FORK {
            GATE.fetch_sub(1, Ordering::AcqRel);
            std::thread::sleep(GLANCE);
        }
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        GATE.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Does work of the core, with Python's lock released.
pub fn work<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> T {
    py.detach(|| {
        let _inside = Inside::new();
        match pool() {
            None => work(),
            Some(pool) => pool.install(work),
        }
    })
}

/// The threads to use, where the process's own pool is none of this process's.
fn pool() -> Option<Arc<rayon::ThreadPool>> {
    let here = std::process::id();
    if ORIGIN.get() == Some(&here) {
        return None;
    }
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((of, found)) = &*pool
        && *of == here
    {
        return Some(found.clone());
    }
    let made = Arc::new(rayon::ThreadPoolBuilder::new().build().ok()?);
    // A parent's pool is left alone: its threads are not here, and to end them would be to wait for them.
    std::mem::forget(pool.replace((here, made.clone())));
    Some(made)
}

/// Before `os.fork`: keeps calls from beginning, and waits for those at work.
#[pyfunction]
pub fn before_fork(py: Python<'_>) {
    GATE.fetch_add(FORK, Ordering::AcqRel);
    py.detach(|| {
        while !GATE.load(Ordering::Acquire).is_multiple_of(FORK) {
            std::thread::sleep(GLANCE);
        }
    });
}

/// After `os.fork`, in the process that called it.
#[pyfunction]
pub fn after_fork_in_parent() {
    GATE.fetch_sub(FORK, Ordering::AcqRel);
}

/// After `os.fork`, in the new process, which has one thread and no call at work.
#[pyfunction]
pub fn after_fork_in_child() {
    GATE.store(0, Ordering::Release);
}

/// Has Python call the three, where there is `fork`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    ORIGIN.get_or_init(std::process::id);
    let py = module.py();
    let Ok(register) = py.import("os")?.getattr("register_at_fork") else { return Ok(()) };
    let calls = pyo3::types::PyDict::new(py);
    calls.set_item("before", module.getattr("before_fork")?)?;
    calls.set_item("after_in_parent", module.getattr("after_fork_in_parent")?)?;
    calls.set_item("after_in_child", module.getattr("after_fork_in_child")?)?;
    register.call((), Some(&calls))?;
    Ok(())
}
