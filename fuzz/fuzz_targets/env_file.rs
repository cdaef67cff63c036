#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| agent_vault_deliver::laws::env_file(input));
