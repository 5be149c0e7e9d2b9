//! Episodes in which the model plans, recorded: what a model learns from where its own plans lead.

use gedanken_data::Episode;
use gedanken_env::derive_seed;

use crate::worlds::labels_of;
use crate::{EvalConfig, EvalError, Planning, Setup, Tasks, Thinker};

/// Tasks that are planned for side by side.
const TOGETHER: usize = 64;

// A purpose of derived seeds.
const RECORDED: u64 = 31;

impl Setup<'_> {
    /// Records `count` episodes of the protocol's budget in which the model plans, each in a task of its own; a function of `seed`. `hear`
    /// is told how many there are. Their policy is number 0.
    ///
    /// # Errors
    /// As [`evaluate`](crate::evaluate).
    pub fn record(&self, count: usize, seed: u64, hear: &mut dyn FnMut(usize)) -> Result<Vec<Episode>, EvalError> {
        let protocol = self.protocol;
        let (objective, guardrails) = (self.objective()?, self.guardrails()?);
        let thinker = Thinker {
            world: &self.world(),
            objective: objective.as_ref(),
            guardrails: &guardrails,
            planner: &protocol.planner,
            frameskip: self.frameskip(),
            arrived: None,
        };
        let mut episodes = Vec::with_capacity(count);
        while episodes.len() < count {
            let seed = derive_seed(seed, &[RECORDED, episodes.len() as u64]);
            let config = EvalConfig { seed, ..protocol.config.clone() };
            let tasks = protocol.tasks_of(&config, 0..TOGETHER.min(count - episodes.len()))?;
            let first = episodes.len() as u64;
            episodes.extend(record(&tasks, &mut Planning::new(thinker), first)?);
            hear(episodes.len());
        }
        Ok(episodes)
    }
}

/// The episodes of some tasks, in layouts from number `first` on.
fn record(tasks: &Tasks<'_>, actor: &mut Planning<'_>, first: u64) -> Result<Vec<Episode>, EvalError> {
    let mut episodes: Vec<Episode> =
        (first..).take(tasks.count).map(|layout| Episode { layout, ..Episode::default() }).collect();
    tasks.watch(actor, &mut |moment| {
        let labels = labels_of(moment.envs);
        let [numbers, size] = [labels.len(), moment.taken.len()].map(|all| all / tasks.count);
        for (task, (env, episode)) in moment.envs.envs().iter().zip(&mut episodes).enumerate() {
            let mut state = vec![0.0; env.spec().state.len()];
            env.state(&mut state);
            episode.states.extend(state);
            episode.labels.extend(&labels[task * numbers..][..numbers]);
            episode.eventful.push(env.eventful());
            if moment.step > 0 {
                let mut action = moment.taken[task * size..][..size].to_vec();
                env.spec().action.clip(&mut action);
                episode.actions.extend(action);
            }
        }
    })?;
    Ok(episodes)
}
