//! What a comparison of systems says: lines of JSON in, medians, ratios and a Markdown table out.
//!
//! Programs that measure print one JSON object a line; `scripts/bench.sh` gathers the lines of all
//! of them. This library reads them and makes the report; it needs no rival and no plot, so it is
//! built and tested with the workspace. The program of this crate, behind the feature `peers`, runs
//! the rivals side by side and draws.
//!
//! | module | subject |
//! |---|---|
//! | [`line`] | the lines |
//! | [`median`] | medians and percentiles |
//! | [`report`] | runs gathered, ratios, Markdown and JSON |

pub mod line;
pub mod median;
pub mod report;
