//! The model: what docs/semantics.md says, in maps.
