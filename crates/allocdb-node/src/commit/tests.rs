//! Tests of the commit.
