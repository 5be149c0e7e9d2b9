//! Constant pushes, imagined and true: whether the walls of a model hold.

use burn::tensor::{Tensor, TensorData};
use gedanken_env::Many;
use gedanken_planner::World;
use serde::Serialize;

use crate::episodes::play;
use crate::setup::frameskip;
use crate::worlds::labels_of;
use crate::{EvalError, Labels, LearnedWorld, Replay};

/// Mean displacement of the first label under one constant action.
#[derive(Clone, Debug, Serialize)]
pub struct Push {
    /// `blocked`: the simulator moves less than a third of the longest way. `through`: nearly all of it, from a start where
    /// something could have happened ([`Env::eventful`](gedanken_env::Env::eventful)). `open`: nearly all of it, elsewhere.
    pub kind: &'static str,
    /// Number of pushes.
    pub count: usize,
    /// Control steps after which it is measured; whole blocks where the model takes blocks of actions.
    pub steps: Vec<usize>,
    /// The imagined displacement, read by the probe.
    pub model: Vec<f64>,
    /// The simulator's.
    pub truth: Vec<f64>,
}

const STEPS: [usize; 3] = [4, 8, 16];

/// Pushes every environment, whose latents and probed labels are given, along the axes of the action space at half the greatest
/// action.
pub(crate) fn pushes(
    world: &LearnedWorld<'_>,
    envs: &Many,
    latents: &Tensor<3>,
    read: &[f32],
) -> Result<Vec<Push>, EvalError> {
    let first = envs.envs()[0].as_ref();
    let (spec, frameskip) = (first.spec(), frameskip(world.model, first));
    let (size, dims, actions) = (spec.label_len(), spec.labels[0].size, spec.action.len());
    let blocks = STEPS.map(|steps| steps.div_ceil(frameskip));
    let steps = blocks.map(|blocks| blocks * frameskip);
    let displaced = |labels: &[f32], start: &[f32]| -> Vec<f64> {
        let rows = labels.chunks(size).zip(start.chunks(size));
        rows.map(|(now, start)| distance(&now[..dims], &start[..dims])).collect()
    };
    let start = labels_of(envs);
    let mut found = ["blocked", "through", "open"].map(|kind| Push {
        kind,
        count: 0,
        steps: steps.to_vec(),
        model: vec![0.0; 3],
        truth: vec![0.0; 3],
    });
    for axis in 0..2 * actions {
        let mut action = vec![0.0; actions];
        let limit = if axis % 2 == 0 { spec.action.high[axis / 2] } else { spec.action.low[axis / 2] };
        action[axis / 2] = limit / 2.0;
        let push = action.repeat(steps[2]);
        let sequence = TensorData::new(push.repeat(envs.len()), [envs.len(), blocks[2], frameskip * actions]);
        let future = world.rollout(latents.clone(), Tensor::from_data(sequence, &latents.device()));
        let imagined = blocks.map(|block| {
            let at = future.clone().narrow(1, block - 1, 1).squeeze_dim::<3>(1);
            displaced(&Labels::Probed(world.model, world.statistics).read(at), read)
        });
        let mut truth = [const { Vec::new() }; 3];
        play(&mut Replay(vec![&push; envs.len()]), &mut envs.clone(), steps[2], &mut |moment| {
            for (truth, _) in truth.iter_mut().zip(steps).filter(|(_, step)| *step == moment.step) {
                *truth = displaced(&labels_of(moment.envs), &start);
            }
        })?;
        let free = truth[2].iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        for (row, env) in envs.envs().iter().enumerate() {
            let kind = match (env.eventful(), truth[2][row] / free) {
                (true, share) if share < 0.34 => 0,
                (true, share) if share > 0.95 => 1,
                (false, share) if share > 0.95 => 2,
                _ => continue,
            };
            found[kind].count += 1;
            for i in 0..3 {
                found[kind].model[i] += imagined[i][row];
                found[kind].truth[i] += truth[i][row];
            }
        }
    }
    for push in &mut found {
        push.model.iter_mut().chain(&mut push.truth).for_each(|sum| *sum /= push.count.max(1) as f64);
    }
    Ok(found.to_vec())
}

/// Euclidean.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
}
