use std::collections::BTreeMap;

use gedanken_data::{Batch, DataError, Episode, Normalizer, Shape, Source, Stream, WindowConfig};
use gedanken_env::ObservationSpace;

/// Two frames of two channels with two pixels each.
struct Given;

impl Source for Given {
    fn batch(&self, index: u64) -> Result<Batch, DataError> {
        let pixels = ObservationSpace { channels: 2, height: 1, width: 2 };
        let window = WindowConfig { time: 2, frameskip: 1, extra: 0, layouts: 1, episodes: 1, eventful: 0.0 };
        let mut batch = Batch::zeros(Shape { pixels, action: 1, labels: 1 }, &window);
        batch.pixels = if index == 0 { vec![0, 255, 51, 51, 51, 102, 51, 51] } else { vec![255; 8] };
        Ok(batch)
    }

    fn episode(&self, _index: u64) -> Result<Episode, DataError> {
        Ok(Episode::default())
    }
}

fn near(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-5), "{found:?} {expected:?}");
}

#[test]
fn mean_and_deviation_are_those_computed_by_hand() {
    // Channel 0: 0, 1, 0.2, 0.4; channel 1: 0.2 four times.
    let measured = Normalizer::measure(&Given, 1, false).unwrap();
    near(&measured.mean, &[0.4, 0.2]);
    near(&measured.std, &[(0.14f32).sqrt(), 0.0]);
    // With the second batch four ones more in each.
    let measured = Normalizer::measure(&Given, 2, false).unwrap();
    near(&measured.mean, &[0.7, 0.6]);
    near(&measured.std, &[(0.16f32).sqrt(), 0.4]);
}

#[test]
fn min_max_stretches_each_channel_of_each_frame_first() {
    // Channel 0: 0, 1 and 0, 1; channel 1 does not change within a frame: zeros.
    let measured = Normalizer::measure(&Given, 1, true).unwrap();
    near(&measured.mean, &[0.5, 0.0]);
    near(&measured.std, &[0.5, 0.0]);
    assert!(measured.min_max);
}

#[test]
fn a_normalizer_survives_being_written_down() {
    let measured = Normalizer::measure(&Given, 2, true).unwrap();
    let text = serde_json::to_string(&measured).unwrap();
    assert_eq!(serde_json::from_str::<Normalizer>(&text).unwrap(), measured);
}

#[test]
fn two_rooms_has_the_statistics_that_eb_jepa_normalises_with() {
    let env = gedanken_two_rooms::entry().make(&serde_json::json!({})).unwrap();
    let window = WindowConfig { eventful: 0.0, ..WindowConfig::default() };
    let stream = Stream::new(&*env, &BTreeMap::new(), 90, window, 1).unwrap();
    let measured = Normalizer::measure(&stream, 10, true).unwrap();
    let close = |found: &[f32], published: [f32; 2]| {
        assert!(found.iter().zip(published).all(|(f, p)| (f / p - 1.0).abs() < 0.02), "{found:?} {published:?}");
    };
    close(&measured.mean, [0.0026, 0.0989]);
    close(&measured.std, [0.0369, 0.2986]);
}
