//! How fast output is masked: `cargo run --release -p agent-vault-deliver --example mask`.

use agent_vault_core::SecretBytes;
use agent_vault_deliver::Masker;
use agent_vault_deliver::mask::Patterns;
use std::time::Instant;

fn main() {
    let line =
        b"2026-11-27T04:00:00Z INFO request id=8c1f3a90 path=/api/v1/items?limit=50 status=200 bytes=18234 ms=12\n";
    let log: Vec<u8> = line.iter().copied().cycle().take(64 << 20).collect();
    let random: Vec<u8> =
        (0..8u64 << 20).flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).to_le_bytes()).collect();
    for count in [1, 10, 100, 1000] {
        let values: Vec<SecretBytes> = (0..count)
            .map(|n: u64| {
                SecretBytes::new(
                    format!("sk_{:032x}", u128::from(n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_0a5b)).into_bytes(),
                )
            })
            .collect();
        let start = Instant::now();
        let (patterns, _) = Patterns::of(&values).expect("patterns");
        let made = start.elapsed();
        for (what, text) in [("a log", &log), ("random bytes", &random)] {
            let (mut masker, mut out) = (Masker::new(&patterns), Vec::with_capacity(128 << 10));
            let start = Instant::now();
            for chunk in text.chunks(64 << 10) {
                out.clear();
                masker.push(chunk, &mut out);
            }
            let rate = text.len() as f64 / start.elapsed().as_secs_f64() / 1e6;
            println!("{count:5} values, made in {made:8.1?}: {what:12} {rate:6.0} MB/s");
        }
    }
}
