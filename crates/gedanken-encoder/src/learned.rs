//! Tensors that another program has learned.

use std::collections::BTreeMap;

use gedanken_nn::transposed;

/// The tensors of a file by name: shape, and numbers row by row.
#[derive(Clone, Debug, Default)]
pub struct Tensors(pub BTreeMap<String, (Vec<usize>, Vec<f32>)>);

/// A file's tensors are not those of the encoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The file's tensor.
    pub found: String,
    /// The one that the encoder needs.
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

    /// A matrix `[rows, columns]` of this name, transposed: `[columns, rows]`.
    ///
    /// # Errors
    /// As [`Tensors::get`].
    pub fn transposed(&self, name: &str, [rows, columns]: [usize; 2]) -> Result<Vec<f32>, Misfit> {
        Ok(transposed(self.get(name, &[rows, columns])?, columns))
    }
}
