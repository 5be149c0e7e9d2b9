//! Episodes, windows and dataset files: everything between an environment and a batch, and nothing about tensors.
//!
//! Training and evaluation see one trait, [`Source`]: batch number `index` is a function of the seed and the index.
//! Two things implement it: [`Stream`] simulates fresh episodes, [`DatasetSource`] reads a [`Dataset`] that
//! [`collect`] wrote. [`Prefetch`] puts worker threads before either; [`Normalizer`] measures what they deliver.
//!
//! # The dataset folder
//!
//! ```text
//! data/two-rooms/
//!   dataset.toml             what it is: environment, spaces, labels, policies, seeds, counts, shards
//!   episodes.safetensors     length, offset, layout, policy: i64 [episodes]
//!   shard-00000.safetensors  pixels u8 [n, channels, height, width], action f32 [n, action], state f64 [n, state],
//!                            label f32 [n, labels], eventful u8 [n], last u8 [n]
//! ```
//!
//! Row `offset + t` of an episode (counted over all shards) is its step `t`; its action leads to row `offset + t + 1`.
//! The last row of an episode has no action: its numbers are zero and `last` is 1. From Python, one line reads a file:
//!
//! ```python
//! shard = safetensors.numpy.load_file("data/two-rooms/shard-00000.safetensors")  # {"pixels": uint8 [n, C, H, W], …}
//! ```

mod batch;
mod collect;
mod columns;
mod config;
mod dataset;
mod dataset_source;
mod episode;
mod error;
mod manifest;
mod normalizer;
mod policies;
mod prefetch;
mod recordings;
mod stream;
mod summary;
mod window;
mod writer;

pub use batch::{Batch, Shape, Source};
pub use collect::{CollectConfig, Progress, collect};
pub use config::{DataConfig, SourceKind};
pub use dataset::{Dataset, EpisodeEntry, Frame};
pub use dataset_source::{DatasetSource, Split};
pub use episode::{Episode, Simulator};
pub use error::DataError;
pub use manifest::{
    ActionRecord, Counts, EnvRecord, FieldRecord, FileRecord, LabelRecord, Manifest, PixelRecord, PolicyRecord,
    ShardRecord,
};
pub use normalizer::Normalizer;
pub use policies::PolicyMix;
pub use prefetch::Prefetch;
pub use recordings::Recordings;
pub use stream::Stream;
pub use summary::{Extent, LabelSummary, PolicySummary, Summary};
pub use window::WindowConfig;
pub use writer::Writer;
