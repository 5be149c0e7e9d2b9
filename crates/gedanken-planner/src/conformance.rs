//! Laws of strategies, checked on a plane.

use burn::prelude::*;

use crate::search::plan_on;
use crate::{Bounds, LatentDistance, PlanConfig, Plans, Problem, Strategy, World};

/// A point on the plane, `[rows, 1, 2]`, that actions move.
pub(crate) struct Plane;

impl World for Plane {
    fn rollout(&self, latents: Tensor<3>, actions: Tensor<3>) -> Tensor<4> {
        (latents + actions.cumsum(1)).unsqueeze_dim(2)
    }
}

/// Checks a strategy: its keys work, its proposals have the right shape, its plans keep the bounds and are no worse than standing still, are a
/// function of a task's seed alone whichever tasks are planned beside it, and are the same where a device ranks in the host's place, up to
/// the last bits of sums.
///
/// # Errors
/// The first of these that does not hold.
pub fn conform(strategy: &dyn Strategy) -> Result<(), String> {
    let bounds = Bounds::new(vec![-1.0; 2], vec![1.0; 2], Some(1.0)).map_err(|error| error.to_string())?;
    let goals = [3.0, 4.0, -1.0, 1.0, 0.5, -2.0];
    strategy.check().map_err(|error| error.to_string())?;
    let plan = |tasks: std::ops::Range<usize>, seeds: [u64; 3], on_host: bool| -> Result<Plans, String> {
        let points = |numbers: &[f32]| {
            let numbers = numbers[2 * tasks.start..2 * tasks.end].to_vec();
            Tensor::<3>::from_data(TensorData::new(numbers, [tasks.len(), 1, 2]), &Device::flex())
        };
        let problem = Problem {
            world: &Plane,
            objective: &LatentDistance::default(),
            guardrails: &[],
            bounds: &bounds,
            start: points(&[0.0; 6]),
            goals: points(&goals),
            steps_left: 5,
            seeds: &seeds[tasks.clone()],
            step: 0,
            warm: None,
        };
        plan_on(&PlanConfig::default(), strategy, &problem, on_host).map_err(|error| error.to_string())
    };
    let ensure = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };

    let together = plan(0..3, [1, 2, 3], true)?;
    ensure(together.actions.chunks(2).all(|a| a[0].hypot(a[1]) < 1.0 + 1e-5), "a plan leaves the bounds")?;
    let still = goals.chunks(2).map(|goal| 5.0 * (goal[0] * goal[0] + goal[1] * goal[1]) / 2.0);
    let no_worse = together.energy.iter().zip(still).all(|(energy, still)| *energy <= 1.5 * still);
    ensure(no_worse, "a plan is much worse than standing still")?;
    ensure(together == plan(0..3, [1, 2, 3], true)?, "the same seeds give another plan")?;
    // One that proposes a single sequence has nothing to draw.
    let other = plan(0..3, [4, 5, 6], true)?;
    let tried = |plans: &Plans| plans.trace.iter().map(|round| round.mean.clone()).collect::<Vec<_>>();
    let differs = strategy.samples(0) == 1 || tried(&together) != tried(&other);
    ensure(differs, "other seeds try the same sequences")?;
    let alone = plan(1..2, [1, 2, 3], true)?;
    ensure(alone.sequence(0) == together.sequence(1), "a task's plan depends on the tasks beside it")?;
    let device = plan(0..3, [1, 2, 3], false)?;
    let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-3 * (1.0 + a.abs());
    let same = together.actions.iter().zip(&device.actions).all(close);
    ensure(same, "a plan is another one where a device ranks the candidates")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Belief, Draw, Noise, PlanError, Style, Table, strategies};

    #[test]
    fn every_strategy_conforms() {
        for entry in strategies().entries() {
            let strategy = entry.make(&serde_json::json!({})).unwrap();
            assert_eq!(conform(&*strategy), Ok(()), "{}", entry.name());
        }
    }

    /// One whose plan depends on the tasks beside it, or of another shape than it says.
    struct Broken(bool);

    impl Strategy for Broken {
        fn table(&self) -> Table {
            Table::default()
        }
        fn style(&self) -> Style {
            Style::default()
        }
        fn samples(&self, _: usize) -> usize {
            8
        }
        fn propose(&self, _: usize, _: &Belief, draw: &mut Draw) -> Result<Tensor<3>, PlanError> {
            let noise = draw.noise(if self.0 { 8 } else { 7 }, Noise::Smooth(0.0));
            Ok(noise.clone() - noise.mean_dim(0))
        }
    }

    #[test]
    fn one_that_does_not_is_told_why() {
        assert_eq!(conform(&Broken(true)), Err("a task's plan depends on the tasks beside it".to_owned()));
        let error = conform(&Broken(false)).unwrap_err();
        assert_eq!(error, "proposals has shape [3, 7, 10], expected [3, 8, 10]");
    }
}
