//! Where it is remembered which of a GPU's kernels were the fastest.

use std::path::PathBuf;

use cubecl::config::cache::CacheConfig;
use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};
use cubecl::environment;

/// The file of this program, `cubecl/gedanken.db` in the user's cache folder, where a `cubecl.toml` here or above names no other.
/// By itself CubeCL would take a folder `target` of whatever Rust project the program is started in. To be called before
/// a GPU is opened.
pub(crate) fn in_user_folder() -> PathBuf {
    let mut config = CubeClRuntimeConfig::from_current_dir();
    if matches!(config.environment.path, CacheConfig::Target) {
        config.environment.path = CacheConfig::Global;
    }
    if config.environment.name == environment::DEFAULT {
        "gedanken".clone_into(&mut config.environment.name);
    }
    // What a library's caller has set already stays.
    CubeClRuntimeConfig::try_set(config.override_from_env());
    environment::path()
}
