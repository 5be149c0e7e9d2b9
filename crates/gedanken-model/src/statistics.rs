//! What the data looks like, measured once: it travels with the model.

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Statistics of the training data that a model carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statistics {
    /// Mean of every channel, of pixels in 0 to 1.
    pub pixel_mean: Vec<f32>,
    /// Standard deviation of every channel, of pixels in 0 to 1.
    pub pixel_std: Vec<f32>,
    /// Whether every channel of every frame is first stretched to 0 to 1 (EB-JEPA does).
    pub stretch: bool,
    /// Mean of every label.
    pub label_mean: Vec<f32>,
    /// Standard deviation of every label.
    pub label_std: Vec<f32>,
}

impl Statistics {
    /// EB-JEPA's constants of Two-Rooms for the pixels, measured ones for the labels.
    #[must_use]
    pub fn with_eb_jepa_pixels(self) -> Self {
        Self { pixel_mean: vec![0.0026, 0.0989], pixel_std: vec![0.0369, 0.2986], stretch: true, ..self }
    }

    /// Pixels u8 `[frames, channels, height, width]` -> normalised `[frames, channels, height, width]` on the device.
    pub fn pixels(&self, pixels: &[u8], [channels, height, width]: [usize; 3], device: &Device) -> Tensor<4> {
        let area = height * width;
        let frames = pixels.len() / (channels * area);
        let mut normalized = Vec::with_capacity(pixels.len());
        for (i, plane) in pixels.chunks_exact(area).enumerate() {
            let (mean, std) = (self.pixel_mean[i % channels], self.pixel_std[i % channels] + 1e-6);
            let (low, range) = if self.stretch {
                let (low, high) = plane.iter().fold((255, 0), |(low, high), &p| (p.min(low), p.max(high)));
                (low as f32 / 255.0, (high - low) as f32 / 255.0 + 1e-6)
            } else {
                (0.0, 1.0)
            };
            let (scale, shift) = (1.0 / (255.0 * range * std), -(low / range + mean) / std);
            normalized.extend(plane.iter().map(|&p| p as f32 * scale + shift));
        }
        Tensor::from_data(TensorData::new(normalized, [frames, channels, height, width]), device)
    }

    /// Labels in their own units `[rows, labels]` -> about normal(0, 1), on the device.
    pub fn labels(&self, labels: &[f32], device: &Device) -> Tensor<2> {
        let size = self.label_mean.len();
        let rows = labels.len() / size;
        Tensor::<2>::from_data(TensorData::new(labels.to_vec(), [rows, size]), device)
            .sub(self.row(&self.label_mean, device))
            .div(self.row(&self.label_std, device))
    }

    /// The inverse of [`Statistics::labels`], on the device.
    pub fn labels_in_units(&self, labels: Tensor<2>) -> Tensor<2> {
        let device = labels.device();
        labels.mul(self.row(&self.label_std, &device)).add(self.row(&self.label_mean, &device))
    }

    fn row(&self, values: &[f32], device: &Device) -> Tensor<2> {
        Tensor::from_data(TensorData::new(values.to_vec(), [1, values.len()]), device)
    }
}
