//! Probes on latents of which it is known what they tell.

use burn::tensor::Device;
use gedanken_env::Label;
use gedanken_eval::{Frames, Probing, probes};

/// Numbers between -1 and 1 that look random.
fn noise(i: usize, seed: usize) -> f32 {
    let x = gedanken_env::derive_seed(seed as u64, &[i as u64]);
    (x >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

/// Two labels, `place` of two numbers and `still` that never varies, in latents of `numbers` numbers that are a linear map of
/// what the first was told from and of noise.
fn frames(count: usize, numbers: usize, seed: usize, told: impl Fn(f32) -> f32) -> Frames {
    let hidden = |frame: usize, i: usize| noise(frame * 8 + i, seed);
    let label = |frame: usize| [20.0 + 5.0 * told(hidden(frame, 0)), -3.0 + 0.1 * told(hidden(frame, 1)), 7.0];
    let latent = |frame: usize, j: usize| (0..8).map(|i| noise(j * 8 + i, 99) * hidden(frame, i)).sum::<f32>();
    Frames {
        latents: (0..count)
            .flat_map(|frame| (0..numbers).map(move |j| (frame, j)))
            .map(|(f, j)| latent(f, j))
            .collect(),
        labels: (0..count).flat_map(label).collect(),
        frames: count,
    }
}

fn labels() -> Vec<Label> {
    [("place", 2), ("still", 1)].map(|(name, size)| Label { name: name.into(), size, unit: "px".into() }).to_vec()
}

const HOW: Probing = Probing { ridge: 1e-5, hidden: 64, updates: 1200 };

#[test]
fn a_linear_map_of_the_labels_is_read_without_error_and_so_by_both_forms_of_the_regression() {
    // More frames than numbers, and more numbers than frames.
    for (count, numbers) in [(3000, 12), (60, 100)] {
        let how = Probing { updates: if count > 100 { HOW.updates } else { 1 }, ..HOW };
        let (train, test) = (frames(count, numbers, 1, |x| x), frames(200, numbers, 2, |x| x));
        let report = probes(&labels(), &train, &test, &how, &Device::flex()).unwrap();
        let [place, still] = &report.labels[..] else { panic!("two labels") };
        assert!(place.linear.r.unwrap() > 0.999 && place.linear.mse < 2e-3, "{count}: {:?}", place.linear);
        assert!(still.linear.r.is_none() && still.linear.mse < 1e-9);
        if count > 100 {
            assert!(place.mlp.r.unwrap() > 0.999, "{:?}", place.mlp);
        }
    }
}

#[test]
fn a_label_that_is_read_as_if_it_never_varied_is_not_read() {
    let (mut train, mut test) = (frames(300, 12, 1, |x| x), frames(100, 12, 2, |x| x));
    train.latents.fill(1.0);
    test.latents.fill(1.0);
    let report = probes(&labels(), &train, &test, &Probing { updates: 1, ..HOW }, &Device::flex()).unwrap();
    assert_eq!(report.labels[0].linear.r, Some(0.0), "{:?}", report.labels[0]);
}

#[test]
fn only_the_mlp_reads_what_is_bent_and_the_same_call_says_the_same() {
    let (train, test) = (frames(2000, 12, 1, f32::abs), frames(400, 12, 2, f32::abs));
    let report = || probes(&labels(), &train, &test, &HOW, &Device::flex()).unwrap();
    let (one, two) = (report(), report());
    let place = &one.labels[0];
    assert!(place.mlp.r.unwrap() > place.linear.r.unwrap() + 0.1, "{place:?}");
    assert_eq!(serde_json::to_string(&one).unwrap(), serde_json::to_string(&two).unwrap());
    assert!(one.to_string().contains("place") && one.to_string().contains("linear MSE"));
}
