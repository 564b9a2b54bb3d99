#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| tablog_fuzz::read_record_batches(input));
