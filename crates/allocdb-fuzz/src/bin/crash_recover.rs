//! Fuzzes [`allocdb_testing::fuzz::crash_recover`].

#![cfg_attr(feature = "libfuzzer", no_main)]

allocdb_fuzz::program!(allocdb_testing::fuzz::crash_recover::TARGET);
