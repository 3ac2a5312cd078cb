//! What tries to break AllocDB: a plain model, random workloads, a disk that fails, and the
//! harnesses over them.
//!
//! The claim is "never two winners, never early, never lost". Each harness is a [`layer`]: it has a
//! goal, a seed that repeats it, figures of what it did, and a canary, a bug planted on purpose
//! ([`allocdb_core::canary`]) that it has to catch. `scripts/torture.sh` runs them all.
//!
//! | module | subject |
//! |---|---|
//! | [`damage`] | every bit, cut and mix-up of a database's files |
//! | [`heap`] | the allocator, which notes the largest request |
//! | [`layer`] | what every harness is given and what it tells |
//! | [`layers`] | the table of all harnesses |
//! | [`runner`], [`table`] | running them beside each other, and the table of figures |
//! | [`model`] | the rules as plain maps, sharing nothing with the core |
//! | [`bridge`] | from the model's words to the core's and back |
//! | [`pair`], [`history`], [`model_check`] | the core beside the model, driven and shrunk |
//! | [`linearizability`] | what real threads were told, against the log's order |
//! | [`explore`] | every state that a few commands lead to |
//! | [`witness`], [`tally`] | ownership seen from outside; what was done, counted |
//! | [`workload`], [`random`] | commands and slots drawn from a seed |
//! | [`trial`] | a random test's seed, its length, the shapes that it tries |
//! | [`image`] | a snapshot's bytes, sealed again after a change |
//! | [`fuzz`] | bodies of the fuzz targets; `crates/allocdb-fuzz` makes programs of them |
//! | [`sliced`] | a snapshot in slices beside a whole one |
//! | [`script`] | a small database's life over that disk, step by step |
//! | [`crashes`] | every image that a power cut may leave |
//! | [`failing`] | every storage operation failing |
//! | [`simulator`] | the real engine on a failing disk, as one seeded schedule |
//! | [`disk`] | the faulty disk, which stands beside its trait: the engine's own tests use it too |

pub mod bridge;
pub mod crashes;
pub mod damage;
pub mod explore;
pub mod failing;
pub mod fuzz;
pub mod heap;
pub mod history;
pub mod image;
pub mod layer;
pub mod layers;
pub mod linearizability;
pub mod model;
pub mod model_check;
pub mod pair;
pub mod random;
pub mod runner;
pub mod script;
pub mod simulator;
pub mod sliced;
pub mod table;
pub mod tally;
pub mod trial;
pub mod witness;
pub mod workload;

pub use allocdb_node::storage::faulty as disk;
