#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tablog_fuzz::decode_internal_record(input));
