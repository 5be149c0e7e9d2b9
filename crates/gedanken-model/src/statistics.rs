//! Statistics of the training data, measured once: they travel with the model.

use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Mean and standard deviation of ImageNet's photographs in red, green and blue.
pub const IMAGENET: [[f32; 3]; 2] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];

/// Statistics of the training data that a model carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statistics {
    /// Mean of every channel, of pixels in 0 to 1.
    pub pixel_mean: Vec<f32>,
    /// Standard deviation of every channel, of pixels in 0 to 1.
    pub pixel_std: Vec<f32>,
    /// Stretches every channel of every frame to 0 to 1 first (EB-JEPA does).
    pub stretch: bool,
    /// Mean of every label.
    pub label_mean: Vec<f32>,
    /// Standard deviation of every label.
    pub label_std: Vec<f32>,
    /// Mean of every number of a control step's action, in the environment's units; zeros, or none at all, where the model takes
    /// actions as they are.
    #[serde(default)]
    pub action_mean: Vec<f32>,
    /// Standard deviation of every number of a control step's action; ones, or none at all, where the model takes actions as
    /// they are.
    #[serde(default)]
    pub action_std: Vec<f32>,
}

impl Statistics {
    /// EB-JEPA's constants of Two-Rooms for the pixels, measured ones for the labels.
    #[must_use]
    pub fn with_eb_jepa_pixels(self) -> Self {
        Self { pixel_mean: vec![0.0026, 0.0989], pixel_std: vec![0.0369, 0.2986], stretch: true, ..self }
    }

    /// ImageNet's for the pixels, red, green and blue in 0 to 1, measured ones for the labels.
    #[must_use]
    pub fn with_imagenet_pixels(self) -> Self {
        let [pixel_mean, pixel_std] = IMAGENET.map(Vec::from);
        Self { pixel_mean, pixel_std, stretch: false, ..self }
    }

    /// True where its pixels are those of [`Statistics::with_imagenet_pixels`].
    pub fn has_imagenet_pixels(&self) -> bool {
        !self.stretch && [&self.pixel_mean, &self.pixel_std] == IMAGENET.each_ref()
    }

    /// The same for a model that takes actions in the environment's units: mean 0, standard deviation 1.
    #[must_use]
    pub fn with_raw_actions(self) -> Self {
        let numbers = self.action_mean.len();
        Self { action_mean: vec![0.0; numbers], action_std: vec![1.0; numbers], ..self }
    }

    /// True where the model takes actions in the environment's units.
    pub fn takes_raw_actions(&self) -> bool {
        self.action_mean.iter().all(|&mean| mean == 0.0) && self.action_std.iter().all(|&std| std == 1.0)
    }

    /// Blocks of actions in the environment's units `[batch, steps, frameskip * action]` -> as the model takes them. The
    /// statistics are those of one control step, the same for every one of a block.
    ///
    /// Only here do actions leave the environment's units: data, bounds, plans and reports never do.
    pub fn actions(&self, blocks: Tensor<3>) -> Tensor<3> {
        if self.takes_raw_actions() {
            return blocks;
        }
        let [mean, std] = self.tiled(&blocks);
        blocks.sub(mean).div(std)
    }

    /// The inverse of [`Statistics::actions`].
    pub fn actions_in_units(&self, blocks: Tensor<3>) -> Tensor<3> {
        if self.takes_raw_actions() {
            return blocks;
        }
        let [mean, std] = self.tiled(&blocks);
        blocks.mul(std).add(mean)
    }

    /// Mean and standard deviation of the numbers of such blocks, `[1, 1, frameskip * action]`.
    fn tiled(&self, blocks: &Tensor<3>) -> [Tensor<3>; 2] {
        let (device, numbers) = (blocks.device(), blocks.dims()[2]);
        [&self.action_mean, &self.action_std].map(|values| {
            let block: Vec<f32> = values.iter().copied().cycle().take(numbers).collect();
            Tensor::from_data(TensorData::new(block, [1, 1, numbers]), &device)
        })
    }

    /// Pixels u8 `[frames, channels, height, width]` -> normalised `[frames, channels, height, width]` on the device. A GPU is
    /// given the bytes and normalises them itself: a quarter of what numbers would be on the way there.
    pub fn pixels(&self, pixels: &[u8], [channels, height, width]: [usize; 3], device: &Device) -> Tensor<4> {
        let area = height * width;
        let frames = pixels.len() / (channels * area);
        let shape = [frames, channels, height, width];
        let planes = pixels.chunks_exact(area).enumerate();
        let lines = planes.clone().map(|(i, plane)| self.line(i % channels, plane));
        if *device == Device::flex() {
            let mut normalized = Vec::with_capacity(pixels.len());
            for ((_, plane), [scale, shift]) in planes.zip(lines) {
                normalized.extend(plane.iter().map(|&p| p as f32 * scale + shift));
            }
            return Tensor::from_data(TensorData::new(normalized, shape), device);
        }
        let lines = TensorData::new(lines.flatten().collect(), [frames, channels, 1, 2]);
        let lines = Tensor::<4>::from_data(lines, device);
        unpacked(pixels, device).reshape(shape) * lines.clone().narrow(3, 0, 1) + lines.narrow(3, 1, 1)
    }

    /// Normalised pixels `[frames * channels * height * width]` of pictures `[channels, height, width]` -> the same as bytes; of stretched
    /// ones the whole range is the picture's.
    pub fn pictures(&self, normalized: &[f32], [_, height, width]: [usize; 3]) -> Vec<u8> {
        let channels = self.pixel_mean.len();
        let planes = normalized.chunks(height * width).enumerate();
        let byte = |channel: usize, x: f32| {
            let unit = x * (self.pixel_std[channel] + 1e-6) + self.pixel_mean[channel];
            (255.0 * unit).round().clamp(0.0, 255.0) as u8
        };
        planes.flat_map(|(i, plane)| plane.iter().map(move |&x| byte(i % channels, x))).collect()
    }

    /// Scale and offset that normalise the bytes of a plane.
    fn line(&self, channel: usize, plane: &[u8]) -> [f32; 2] {
        let (mean, std) = (self.pixel_mean[channel], self.pixel_std[channel] + 1e-6);
        let (low, range) = if self.stretch {
            let (low, high) = plane.iter().fold((255, 0), |(low, high), &p| (p.min(low), p.max(high)));
            (low as f32 / 255.0, (high - low) as f32 / 255.0 + 1e-6)
        } else {
            (0.0, 1.0)
        };
        [1.0 / (255.0 * range * std), -(low / range + mean) / std]
    }

    /// Labels in their own units `[rows, labels]` -> about normal(0, 1), on the device.
    pub fn labels(&self, labels: &[f32], device: &Device) -> Tensor<2> {
        let size = self.label_mean.len();
        let rows = labels.len() / size.max(1);
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

/// Bytes as numbers, `[bytes]`: four of them go to the device as one integer, the smallest that a GPU's shaders have.
fn unpacked(bytes: &[u8], device: &Device) -> Tensor<1> {
    let word = |four: &[u8]| std::array::from_fn(|i| four.get(i).copied().unwrap_or(0));
    let words: Vec<i32> = bytes.chunks(4).map(|four| i32::from_le_bytes(word(four))).collect();
    let words = Tensor::<1, Int>::from_data(TensorData::new(words, [bytes.len().div_ceil(4)]), device);
    let byte = |i: i32| words.clone().bitwise_right_shift_scalar(8 * i).bitwise_and_scalar(255);
    let all: Tensor<2, Int> = Tensor::stack((0..4).map(byte).collect(), 1);
    all.flatten::<1>(0, 1).narrow(0, 0, bytes.len()).float()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics(action_mean: Vec<f32>, action_std: Vec<f32>) -> Statistics {
        Statistics {
            pixel_mean: vec![0.0],
            pixel_std: vec![1.0],
            stretch: false,
            label_mean: vec![0.0],
            label_std: vec![1.0],
            action_mean,
            action_std,
        }
    }

    /// One block of two control steps with two numbers each, through the statistics.
    fn through(statistics: &Statistics) -> Vec<f32> {
        let block = Tensor::<3>::from_data([[[1.0, 2.0, 3.0, 4.0]]], &Device::flex());
        let normal = statistics.actions(block.clone());
        assert_eq!(statistics.actions_in_units(normal.clone()).into_data(), block.into_data());
        normal.into_data().try_to_vec().unwrap()
    }

    #[test]
    fn every_control_step_of_a_block_is_normalised_alike() {
        assert_eq!(through(&statistics(vec![1.0, 0.0], vec![0.5, 2.0])), [0.0, 1.0, 4.0, 2.0]);
    }

    #[test]
    fn bytes_packed_four_to_a_word_come_out_as_they_went_in() {
        let bytes: Vec<u8> = (0..=255).chain([255, 128]).collect();
        let expected: Vec<f32> = bytes.iter().map(|&byte| byte as f32).collect();
        assert_eq!(unpacked(&bytes, &Device::flex()).into_data().try_to_vec::<f32>().unwrap(), expected);
    }

    #[test]
    fn raw_actions_and_those_of_older_checkpoints_stay_as_they_are() {
        let measured = statistics(vec![1.0, 0.0], vec![0.5, 2.0]);
        assert_eq!(through(&measured.with_raw_actions()), [1.0, 2.0, 3.0, 4.0]);
        let text = r#"{"pixel_mean":[0],"pixel_std":[1],"stretch":false,"label_mean":[0],"label_std":[1]}"#;
        assert_eq!(through(&serde_json::from_str(text).unwrap()), [1.0, 2.0, 3.0, 4.0]);
    }
}
