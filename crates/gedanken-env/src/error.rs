//! Errors of environments.

use std::fmt::Display;

use gedanken_parts::PartError;

use crate::Spec;

/// Why an environment cannot be built or set. Stepping never fails, but a world may break: [`crate::Env::fault`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvError {
    /// A state of the wrong length, or with a number that is not finite or not possible.
    #[error("{env}: state {found}; expected {expected}")]
    State {
        /// The environment.
        env: String,
        /// The numbers given.
        found: String,
        /// The right ones.
        expected: String,
    },
    /// An option, factor or policy that does not exist or has an impossible value.
    #[error("{env}: {what} {found}; expected {expected}")]
    Option {
        /// The environment.
        env: String,
        /// The option, factor or policy.
        what: String,
        /// The value given.
        found: String,
        /// The right ones.
        expected: String,
    },
    /// A capability that the environment does not have.
    #[error("{env} has no {what}")]
    Missing {
        /// The environment.
        env: String,
        /// The capability.
        what: &'static str,
    },
    /// A world that broke, such as a simulator in another process.
    #[error("{env}: {message}")]
    Broken {
        /// The environment.
        env: String,
        /// Its last words.
        message: String,
    },
    /// No environment of that name, or options that it cannot be made from.
    #[error(transparent)]
    Part(#[from] PartError),
}

impl EnvError {
    /// A `state` that cannot be.
    pub fn state(env: &str, state: &[f64], expected: impl Into<String>) -> Self {
        Self::State { env: env.to_owned(), found: format!("{state:?}"), expected: expected.into() }
    }

    /// An option, factor or policy `what` that is `found`, which cannot be.
    pub fn option(env: &str, what: &str, found: impl Display, expected: impl Display) -> Self {
        let (found, expected) = (found.to_string(), expected.to_string());
        Self::Option { env: env.to_owned(), what: what.to_owned(), found, expected }
    }

    /// A world that broke, with its last words.
    pub fn broken(env: &str, message: String) -> Self {
        Self::Broken { env: env.to_owned(), message }
    }

    /// The capability `what` that an environment does not have.
    pub fn missing(spec: &Spec, what: &'static str) -> Self {
        Self::Missing { env: spec.name.clone(), what }
    }
}
