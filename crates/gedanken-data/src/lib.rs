#![doc = include_str!("../README.md")]

mod batch;
mod collect;
mod columns;
mod config;
mod dataset;
mod dataset_source;
mod episode;
mod error;
mod manifest;
mod moved;
mod normalizer;
mod policies;
mod prefetch;
mod recordings;
mod stream;
mod summary;
mod window;
mod writer;

pub use batch::{Batch, Shape, Source};
pub use collect::{CollectConfig, Collected, collect};
pub use config::{DataConfig, SourceKind};
pub use dataset::{Dataset, EpisodeEntry, Frame};
pub use dataset_source::{DatasetSource, Split};
pub use episode::{Episode, Recorder};
pub use error::DataError;
pub use manifest::{Counts, EnvRecord, FileRecord, Manifest, PolicyRecord, ShardRecord};
pub use moved::{Moved, MovedLabel};
pub use normalizer::Normalizer;
pub use policies::PolicyMix;
pub use prefetch::Prefetch;
pub use recordings::Recordings;
pub use stream::Stream;
pub use summary::{Extent, LabelSummary, PolicySummary, Summary};
pub use window::WindowConfig;
pub use writer::Writer;
