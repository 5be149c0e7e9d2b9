//! Tensors that another program has learned.

use std::collections::BTreeMap;

/// The tensors of a file by name: shape, and numbers row by row.
#[derive(Clone, Debug, Default)]
pub struct Tensors(pub BTreeMap<String, (Vec<usize>, Vec<f32>)>);

/// A file's tensors are not those of the encoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// What the file has.
    pub found: String,
    /// What the encoder needs.
    pub expected: String,
}

impl Tensors {
    /// The numbers of a tensor of this shape.
    ///
    /// # Errors
    /// Where there is none of the name, or it has another shape.
    pub fn get(&self, name: &str, shape: &[usize]) -> Result<&[f32], Misfit> {
        let expected = || format!("{name} {shape:?}");
        match self.0.get(name) {
            Some((found, numbers)) if found == shape => Ok(numbers),
            Some((found, _)) => Err(Misfit { found: format!("{name} {found:?}"), expected: expected() }),
            None => Err(Misfit { found: format!("no {name}"), expected: expected() }),
        }
    }

    /// A matrix `[rows, columns]` of this name, turned: `[columns, rows]`.
    ///
    /// # Errors
    /// As [`Tensors::get`].
    pub fn turned(&self, name: &str, [rows, columns]: [usize; 2]) -> Result<Vec<f32>, Misfit> {
        Ok(turned(self.get(name, &[rows, columns])?, columns))
    }
}

/// `[rows, columns]` -> `[columns, rows]`.
pub(crate) fn turned(numbers: &[f32], columns: usize) -> Vec<f32> {
    (0..columns).flat_map(|column| numbers.iter().skip(column).step_by(columns).copied()).collect()
}
