//! Problems of a config, and their places.

use std::fmt;
use std::path::PathBuf;

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In a file. Lines and columns count from one.
    File {
        /// The file.
        file: PathBuf,
        /// The line.
        line: usize,
        /// The character in the line, for what is not TOML at all.
        column: Option<usize>,
    },
    /// On the command line: `--set` and this.
    Set(String),
    /// Nowhere: it is the default.
    Default,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line, column: None } => write!(f, "{}:{line}", file.display()),
            Self::File { file, line, column: Some(column) } => write!(f, "{}:{line}:{column}", file.display()),
            Self::Set(set) => write!(f, "--set {}", set.replace('\n', "\\n")),
            Self::Default => write!(f, "default"),
        }
    }
}

/// One problem; prints as `experiments/x.toml:12: predictor.dmi: no such key; did you mean …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// The key as a dotted path, `list[2].kind` inside arrays; empty for what is not about a key.
    pub key: String,
    /// The finding, and a right one.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, key, message } = self;
        if key.is_empty() { write!(f, "{place}: {message}") } else { write!(f, "{place}: {key}: {message}") }
    }
}

/// Why a config could not be loaded. Its text has one problem a line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no such file.
    #[error("{}: no such file{}", from_file(.from, .file), suggestion(.nearest.as_deref()))]
    Missing {
        /// The file.
        file: PathBuf,
        /// The `extends` that names it, where one does.
        from: Option<Place>,
        /// The file of the nearest name in the same folder.
        nearest: Option<String>,
    },
    /// The file could not be read.
    #[error("{}: {source}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Files that extend each other in a circle.
    #[error("{place}: extends: goes in a circle: {}", arrows(.chain))]
    Cycle {
        /// The `extends` that closes the circle.
        place: Place,
        /// The files, from the first to the one that comes again.
        chain: Vec<PathBuf>,
    },
    /// Not TOML.
    #[error("{}", lines(.0))]
    Syntax(Vec<Problem>),
    /// TOML, but not this config.
    #[error("{}", lines(.0))]
    Invalid(Vec<Problem>),
    /// A config that TOML cannot hold.
    #[error("cannot be written as TOML: {0}")]
    Print(#[from] toml::ser::Error),
}

impl ConfigError {
    /// The problems, in the order of their places.
    pub(crate) fn invalid(mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|a, b| a.place.cmp(&b.place));
        Self::Invalid(problems)
    }

    /// The single problems, where there are such.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Syntax(problems) | Self::Invalid(problems) => problems,
            _ => &[],
        }
    }
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

fn arrows(chain: &[PathBuf]) -> String {
    chain.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" -> ")
}

fn from_file(from: &Option<Place>, file: &std::path::Path) -> String {
    match from {
        Some(place) => format!("{place}: extends: {}", file.display()),
        None => file.display().to_string(),
    }
}

/// `; did you mean …?`, or nothing.
pub(super) fn suggestion(nearest: Option<&str>) -> String {
    nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default()
}

/// The candidate that was probably meant: close in spelling, or one inside the other.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    let word = plain(word);
    let score = |candidate: &str| {
        let candidate = plain(candidate);
        let inside = word.len().min(candidate.len()) >= 3 && (word.contains(&candidate) || candidate.contains(&word));
        strsim::normalized_damerau_levenshtein(&word, &candidate).max(if inside { 0.55 } else { 0.0 })
    };
    candidates
        .into_iter()
        .map(|candidate| (score(candidate), candidate))
        .filter(|(score, _)| *score > 0.5)
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)))
        .map(|(_, candidate)| candidate)
}
