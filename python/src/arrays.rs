//! Numbers to Python and back, as bytes in the machine's order.

use pyo3::prelude::*;
use pyo3::types::PyByteArray;

use crate::failed;

/// Numbers that arrays are made of.
pub trait Number: Copy {
    /// Bytes of one.
    const SIZE: usize;

    /// From its bytes, as many as there are of one.
    fn read(bytes: &[u8]) -> Self;

    /// Into its bytes, as many.
    fn write(self, bytes: &mut [u8]);
}

macro_rules! number {
    ($($kind:ty),*) => {$(
        impl Number for $kind {
            const SIZE: usize = size_of::<$kind>();

            fn read(bytes: &[u8]) -> Self {
                let mut own = [0; size_of::<$kind>()];
                own.copy_from_slice(bytes);
                Self::from_ne_bytes(own)
            }

            fn write(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_ne_bytes());
            }
        }
    )*};
}
number!(f32, f64, u64);

/// The numbers of an array's bytes.
///
/// # Errors
/// Another count than `expected`: a mistake of the package's.
pub fn numbers<N: Number>(what: &str, bytes: &[u8], expected: usize) -> PyResult<Vec<N>> {
    if bytes.len() != expected * N::SIZE {
        return Err(failed(format!("{what}: {} bytes; expected {expected} numbers of {}", bytes.len(), N::SIZE)));
    }
    Ok(bytes.chunks_exact(N::SIZE).map(N::read).collect())
}

/// Numbers as a bytearray, for `numpy.frombuffer`.
pub fn array<'py, N: Number>(py: Python<'py>, values: &[N]) -> PyResult<Bound<'py, PyByteArray>> {
    PyByteArray::new_with(py, values.len() * N::SIZE, |bytes| {
        bytes.chunks_exact_mut(N::SIZE).zip(values).for_each(|(bytes, value)| value.write(bytes));
        Ok(())
    })
}
