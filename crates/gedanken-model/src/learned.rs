//! Weights that an encoder learned elsewhere: read once, when a model begins.

use std::path::Path;

use gedanken_encoder::{Misfit, Tensors};
use gedanken_nn::{Named, replace};
use safetensors::tensor::{Dtype, SafeTensors};

use crate::checkpoint::io;
use crate::{CheckpointError, Plan, WorldModel};

impl Plan {
    /// The encoder's parameters from the file of weights that it names, for pictures `[channels, height, width]`; none, where it names none.
    ///
    /// # Errors
    /// [`CheckpointError`], where the file cannot be read, or has other tensors than the encoder needs.
    pub fn learned_elsewhere(&self, pixels: [usize; 3]) -> Result<Vec<Named>, CheckpointError> {
        let Some(path) = self.encoder.weights() else { return Ok(Vec::new()) };
        let content = |Misfit { found, expected }| CheckpointError::Content { path: path.to_owned(), found, expected };
        let adopted = self.encoder.adopt(pixels, &read(path)?).map_err(content)?;
        match adopted.iter().find(|named| named.values.iter().any(|value| !value.is_finite())) {
            Some(named) => Err(content(Misfit {
                found: format!("numbers that are not finite, in what becomes encoder.{}", named.name),
                expected: "finite weights".to_owned(),
            })),
            None => Ok(adopted),
        }
    }

    /// The parts that stay as they are in training.
    pub fn frozen(&self) -> Vec<String> {
        self.encoder.frozen().then(|| "encoder".to_owned()).into_iter().collect()
    }
}

impl WorldModel {
    /// This model with such parameters in its encoder; a target of its own begins with them too.
    ///
    /// # Panics
    ///
    /// If they are not those of its encoder.
    #[must_use]
    pub fn with_encoder(self, mut learned: Vec<Named>) -> Self {
        if learned.is_empty() {
            return self;
        }
        let mut model = replace(self, &mut |name, _| {
            let name = name.strip_prefix("encoder.")?;
            let index = learned.iter().position(|named| named.name == name)?;
            Some(learned.swap_remove(index).values)
        });
        assert!(learned.is_empty(), "the encoder has no parameter {}", learned[0].name);
        let perception = model.perception();
        model.target.begin(&perception);
        model
    }
}

/// All tensors of a safetensors file.
fn read(path: &Path) -> Result<Tensors, CheckpointError> {
    let bytes = std::fs::read(path).map_err(io(path))?;
    let content = |found: String, expected: &str| CheckpointError::Content {
        path: path.to_owned(),
        found,
        expected: expected.to_owned(),
    };
    let file =
        SafeTensors::deserialize(&bytes).map_err(|error| content(error.to_string(), "a whole safetensors file"))?;
    let mut tensors = Tensors::default();
    for (name, view) in file.tensors() {
        if view.dtype() != Dtype::F32 {
            return Err(content(format!("{name} in {:?}", view.dtype()), "F32"));
        }
        let numbers = view.data().as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        tensors.0.insert(name, (view.shape().to_vec(), numbers));
    }
    Ok(tensors)
}
