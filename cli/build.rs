//! Links GCC's unwinder into the program where a static one is at hand.
//!
//! Rust's standard library takes `libgcc_s.so` for its backtraces; loading it costs every start a tenth of what a read
//! costs. The same code lies beside the compiler as `libgcc_eh.a`. Without it the program is linked as usual.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let setting = |name: &str| std::env::var(name).unwrap_or_default();
    let native = setting("HOST") == setting("TARGET");
    if native && setting("CARGO_CFG_TARGET_OS") == "linux" && setting("CARGO_CFG_TARGET_ENV") == "gnu" && found() {
        println!("cargo:rustc-link-lib=static:-bundle=gcc_eh");
    }
}

/// The compiler that links the program prints a whole path when it has the library, and the bare name when not.
fn found() -> bool {
    let output = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output();
    output.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_absolute())
}
