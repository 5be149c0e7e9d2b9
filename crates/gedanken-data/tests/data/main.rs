//! One program for all tests of this crate.
#![allow(missing_docs)]

mod config;
mod corruption;
mod dataset;
mod latents;
mod line;
mod moved;
mod normalizer;
mod prefetch;
mod recordings;
mod stream;
mod told;
