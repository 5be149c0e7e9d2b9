//! Tensors of a safetensors file, taken one by one under other names and in another layout.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use gedanken_model::CheckpointError;
use gedanken_nn::transposed;
use safetensors::tensor::{Dtype, SafeTensors};

/// A file's tensors under our names. PyTorch's linear layers are `[output, input]`, ours `[input, output]`.
pub struct Mapped {
    file: PathBuf,
    /// Those that nobody has taken yet.
    left: BTreeMap<String, Stored>,
    sources: HashMap<String, Source>,
}

struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// One of our tensors: those of the file that it is made of, one behind the other along their first axis.
struct Source {
    pieces: Vec<String>,
    layout: Layout,
}

enum Layout {
    /// As it is there.
    Same,
    /// A matrix, transposed.
    Matrix,
    /// The kernels `[output, …]` of a convolution, whose inputs are these axes: a matrix, transposed.
    Kernels(Vec<usize>),
}

impl Mapped {
    /// The tensors of a file.
    ///
    /// # Errors
    /// [`CheckpointError`] for a file that cannot be read or is no safetensors file.
    pub fn open(file: &Path) -> Result<Self, CheckpointError> {
        let bytes = std::fs::read(file).map_err(|source| CheckpointError::Io { path: file.to_owned(), source })?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| CheckpointError::Content {
            path: file.to_owned(),
            found: error.to_string(),
            expected: "a whole safetensors file".to_owned(),
        })?;
        let stored = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
            (name, Stored { dtype: view.dtype(), shape: view.shape().to_vec(), bytes: view.data().to_vec() })
        };
        let left = tensors.tensors().into_iter().map(stored).collect();
        Ok(Self { file: file.to_owned(), left, sources: HashMap::new() })
    }

    /// True for a file that has such a tensor.
    pub fn has(&self, name: &str) -> bool {
        self.left.contains_key(name)
    }

    /// Number of tensors that nobody has taken yet: more blocks than that no model of the file has, whatever its config says.
    pub fn left(&self) -> usize {
        self.left.len()
    }

    /// Leaves out the tensors on which no latent depends.
    pub fn ignore(&mut self, ignored: impl Fn(&str) -> bool) {
        self.left.retain(|name, _| !ignored(name));
    }

    /// A tensor that is the same on both sides.
    pub fn same(&mut self, ours: &str, theirs: &str) {
        self.map(ours, &[theirs], Layout::Same);
    }

    /// A linear layer with a bias; ours may be several of theirs side by side.
    pub fn linear(&mut self, ours: &str, theirs: &[&str]) {
        self.weight(ours, theirs);
        let biases: Vec<String> = theirs.iter().map(|name| format!("{name}.bias")).collect();
        self.map(&format!("{ours}.bias"), &biases, Layout::Same);
    }

    /// A linear layer's weight alone.
    pub fn weight(&mut self, ours: &str, theirs: &[&str]) {
        let weights: Vec<String> = theirs.iter().map(|name| format!("{name}.weight")).collect();
        self.map(&format!("{ours}.weight"), &weights, Layout::Matrix);
    }

    /// A convolution whose stride is as long as its kernel, which is a linear layer of what lies under it: `inputs` are the axes of a
    /// kernel.
    pub fn convolution(&mut self, ours: &str, theirs: &str, inputs: &[usize]) {
        self.map(&format!("{ours}.weight"), &[format!("{theirs}.weight")], Layout::Kernels(inputs.to_vec()));
        self.same(&format!("{ours}.bias"), &format!("{theirs}.bias"));
    }

    /// A LayerNorm with weights.
    pub fn norm(&mut self, ours: &str, theirs: &str) {
        self.same(&format!("{ours}.gamma"), &format!("{theirs}.weight"));
        self.same(&format!("{ours}.beta"), &format!("{theirs}.bias"));
    }

    /// A BatchNorm with its running statistics.
    pub fn batch_norm(&mut self, ours: &str, theirs: &str) {
        self.norm(ours, theirs);
        for statistic in ["running_mean", "running_var"] {
            self.same(&format!("{ours}.{statistic}"), &format!("{theirs}.{statistic}"));
        }
    }

    fn map(&mut self, ours: &str, theirs: &[impl AsRef<str>], layout: Layout) {
        let pieces = theirs.iter().map(|name| name.as_ref().to_owned()).collect();
        self.sources.insert(ours.to_owned(), Source { pieces, layout });
    }

    /// The numbers of one of our tensors, row by row.
    ///
    /// # Errors
    /// [`CheckpointError::Content`] names the tensor of the file that is missing, of another shape or type, or not finite.
    pub fn take(&mut self, ours: &str, shape: &[usize]) -> Result<Vec<f32>, CheckpointError> {
        let Some(Source { pieces, layout }) = self.sources.remove(ours) else {
            return Err(self.content("nothing".to_owned(), format!("the model's {ours} {shape:?}")));
        };
        let theirs = |inputs: &[usize]| {
            let outputs = shape.last().copied().unwrap_or_default() / pieces.len();
            [&[outputs], inputs].concat()
        };
        let expected = match (&layout, pieces.len()) {
            (Layout::Same, 1) => shape.to_vec(),
            (Layout::Same, _) => theirs(&[]),
            (Layout::Matrix, _) => theirs(&shape[..1]),
            (Layout::Kernels(inputs), _) => theirs(inputs),
        };
        let mut values = Vec::new();
        for piece in &pieces {
            values.extend(self.values(piece, &expected)?);
        }
        Ok(if matches!(layout, Layout::Same) { values } else { transposed(&values, shape[0]) })
    }

    /// Takes a tensor of the file.
    fn values(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, CheckpointError> {
        let expected = || format!("{name} F32 {shape:?}");
        let Some(stored) = self.left.remove(name) else {
            return Err(self.content(format!("no {name}"), expected()));
        };
        if stored.dtype != Dtype::F32 || stored.shape != shape {
            return Err(self.content(format!("{name} is {:?} {:?}", stored.dtype, stored.shape), expected()));
        }
        let bytes = stored.bytes.chunks_exact(4);
        let values: Vec<f32> = bytes.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        match values.iter().all(|value| value.is_finite()) {
            true => Ok(values),
            false => {
                Err(self.content(format!("{name} holds numbers that are not finite"), "finite weights".to_owned()))
            }
        }
    }

    /// Ends the taking.
    ///
    /// # Errors
    /// A tensor that nobody took.
    pub fn finish(&self) -> Result<(), CheckpointError> {
        match self.left.iter().next() {
            Some((name, stored)) => {
                let found = format!("a tensor {name} {:?} ({} unknown in all)", stored.shape, self.left.len());
                Err(self.content(found, "only those of the model that config.json describes".to_owned()))
            }
            None => Ok(()),
        }
    }

    fn content(&self, found: String, expected: String) -> CheckpointError {
        CheckpointError::Content { path: self.file.clone(), found, expected }
    }
}
