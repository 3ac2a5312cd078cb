//! Fuzzes [`allocdb_testing::fuzz::commands`].

#![cfg_attr(feature = "libfuzzer", no_main)]

allocdb_fuzz::program!(allocdb_testing::fuzz::commands::TARGET);
