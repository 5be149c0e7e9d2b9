//! Sharp pictures: of the size that was asked for, and showing what the observation shows.

use super::{SEEDS, ensure, play, state};
use crate::{Env, Show};

/// Pixels of a sharp picture for one of the observation, across and down.
const ENLARGED: usize = 4;

/// The check, for environments that draw them.
pub(super) fn pictures(env: &mut dyn Env) -> Result<(), String> {
    alike(env, Show::Now)?;
    if env.spec().task.is_some() { alike(env, Show::Goal) } else { Ok(()) }
}

/// Both pictures are alike, and so are their changes, from which edges that are only sharper cancel out.
fn alike(env: &mut dyn Env, show: Show) -> Result<(), String> {
    let (mut moved, mut off, mut far) = (0.0, 0.0, 0.0);
    for seed in SEEDS {
        env.reset(seed);
        let start = state(env);
        let Some(before) = views(env, show)? else { continue };
        ensure(state(env) == start, "drawing changed the state")?;
        let same = views(env, show)?.is_some_and(|again| again == before);
        ensure(same, format!("{show:?} was drawn twice and differs"))?;
        // Another goal, or another moment.
        match show {
            Show::Goal => env.restart(seed + 100),
            _ => drop(play(env, seed)),
        }
        let Some(after) = views(env, show)? else { return Err(format!("{show:?} is drawn at times only")) };
        let observed = less(&after.observed, &before.observed);
        moved += size(&observed);
        off += size(&less(&observed, &less(&after.sharp, &before.sharp)));
        far = size(&less(&before.observed, &before.sharp)).max(far);
    }
    ensure(off <= 0.8 * moved + 0.05, format!("{show:?}: a change of {moved:.2} is drawn {off:.2} off"))?;
    ensure(far <= 12.0, format!("{show:?} is off by {far:.1} of 255 on average"))
}

/// Checks that the agent, whose place the first label is, is drawn there in sharp pictures of several heights, now and at the goal: the pixel differs from
/// the ground's and is the agent's by its channels.
///
/// # Errors
/// The first picture in which it is not.
pub fn agent(env: &mut dyn Env, is_agent: &dyn Fn(&[u8]) -> bool) -> Result<(), String> {
    for (seed, height) in (0..8).zip([64, 100, 256, 320, 511, 64, 257, 320]) {
        env.reset(seed);
        let space = env.spec().observation.at_height(height);
        let mut labels = vec![0.0; env.spec().label_len()];
        for show in [Show::Now, Show::Goal] {
            match show {
                Show::Goal => env.goal_labels(&mut labels),
                _ => env.labels(&mut labels),
            }
            let scale = height as f32 / env.spec().observation.height as f32;
            let [x, y] = env.in_picture([labels[0], labels[1]]).map(|at| (at * scale) as usize);
            let pixel = |show| {
                let pixels = env.sharp(show, height).filter(|pixels| pixels.len() == space.len());
                let pixels = pixels.ok_or_else(|| format!("{show:?} is no picture of {height} rows"))?;
                let at = |channel| pixels[(channel * space.height + y) * space.width + x];
                Ok::<Vec<u8>, String>((0..space.channels).map(at).collect())
            };
            let (there, ground) = (pixel(show)?, pixel(Show::Ground)?);
            let here = format!("{show:?} of seed {seed} in {height} px: {there:?}");
            ensure(there != ground && is_agent(&there), here)?;
        }
    }
    Ok(())
}

/// An observation, and a sharp picture made as small.
#[derive(PartialEq)]
struct Views {
    observed: Vec<f32>,
    sharp: Vec<f32>,
}

fn views(env: &dyn Env, show: Show) -> Result<Option<Views>, String> {
    let space = env.spec().observation;
    let large = space.at_height(ENLARGED * space.height);
    let Some(pixels) = env.sharp(show, large.height) else { return Ok(None) };
    for (show, height) in [(show, large.height), (show, space.height + 1), (Show::Ground, 2 * space.height + 3)] {
        let (drawn, expected) = (env.sharp(show, height), space.at_height(height).len());
        let found = drawn.map_or(expected, |pixels| pixels.len());
        ensure(found == expected, format!("{found} bytes of {height} rows, not {expected}"))?;
    }
    let mut seen = vec![0; space.len()];
    match show {
        Show::Goal => env.observe_goal(&mut seen),
        _ => env.observe(&mut seen),
    }
    let mut sharp = vec![0.0; space.len()];
    for (at, &pixel) in pixels.iter().enumerate() {
        let (x, row) = (at % large.width, at / large.width);
        let (y, channel) = (row % large.height, row / large.height);
        let pixels = (ENLARGED * ENLARGED) as f32;
        sharp[(channel * space.height + y / ENLARGED) * space.width + x / ENLARGED] += f32::from(pixel) / pixels;
    }
    Ok(Some(Views { observed: seen.into_iter().map(f32::from).collect(), sharp }))
}

fn less(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// The mean of absolute values.
fn size(numbers: &[f32]) -> f32 {
    numbers.iter().map(|number| number.abs()).sum::<f32>() / numbers.len() as f32
}
