//! What was made of weights, for as long as they stay the same.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn_flex::FlexTensor;

/// A thing made of `N` weights on the CPU, such as the same numbers in another order: made anew when they have changed. Clones
/// share it. It holds the weights and the thing until it is asked for others.
#[derive(Debug)]
pub(crate) struct Kept<T, const N: usize>(Arc<Mutex<Option<Made<T, N>>>>);

#[derive(Debug)]
struct Made<T, const N: usize> {
    /// As long as they are held here, nobody changes these numbers in place, nor puts others where they lie.
    weights: [FlexTensor; N],
    thing: Arc<T>,
}

impl<T, const N: usize> Clone for Kept<T, N> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T, const N: usize> Default for Kept<T, N> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T, const N: usize> Kept<T, N> {
    /// The thing of these weights.
    pub fn of(&self, weights: [FlexTensor; N], make: impl FnOnce([&[f32]; N]) -> T) -> Arc<T> {
        if let Some(thing) = self.known(&weights) {
            return thing;
        }
        // Unlocked: a thread that waits for others in there may be given work that comes here as well. At worst it is made twice.
        let thing = Arc::new(make(weights.each_ref().map(|weight| weight.storage())));
        *self.lock() = Some(Made { weights, thing: thing.clone() });
        thing
    }

    fn known(&self, weights: &[FlexTensor; N]) -> Option<Arc<T>> {
        let same = |(a, b): (&FlexTensor, &FlexTensor)| Arc::ptr_eq(&a.data_arc(), &b.data_arc());
        let kept = self.lock();
        kept.as_ref().filter(|made| made.weights.iter().zip(weights).all(same)).map(|made| made.thing.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Made<T, N>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
