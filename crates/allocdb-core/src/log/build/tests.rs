//! Laws of this file's parent, proved over real bytes.
