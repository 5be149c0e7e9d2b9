//! Evaluation during training and at its end.

use std::path::{Path, PathBuf};

use gedanken_model::WorldModel;
use gedanken_run::{FolderError, RunFolder, Tracker, gif, save_gif, write_atomic};
use gedanken_train::{Evaluate, Evaluated};

use crate::checks::behind;
use crate::films::Film;
use crate::page::page;
use crate::report::EpisodeRow;
use crate::worthiness::STANDS_STILL;
use crate::{Checks, Contest, EvalError, Protocol, Report, Setup, Splits, Standings, checks, compare, evaluate, films};

impl Protocol {
    /// The whole evaluation: all tasks, floors and ceilings, checks. In an environment without a task, checks and imagination alone.
    ///
    /// # Errors
    /// [`EvalError`].
    pub fn full(&self, model: &WorldModel, step: u64, say: &mut dyn FnMut(&str)) -> Result<Report, EvalError> {
        let setup = Setup { protocol: self, model };
        let mut report = evaluate(&setup, step, self.config.tasks, true, say)?;
        report.checks = Some(self.checks(model)?);
        // Where nothing is planned, imagination is the result.
        let episodes = if report.rows.is_empty() { self.config.tasks } else { 1 };
        report.worthiness = setup.worthiness(episodes)?;
        Ok(report)
    }

    /// Writes an evaluation into a folder that is there: `report.json`, which is `told` (the report, or more around it), `episodes.csv`,
    /// films, and `report.html`, all of it as a page with the curves of the `run`'s folder.
    ///
    /// # Errors
    /// [`EvalError`].
    pub fn keep(
        &self,
        model: &WorldModel,
        report: &Report,
        told: &impl serde::Serialize,
        folder: &Path,
        run: &Path,
    ) -> Result<(), EvalError> {
        let text = serde_json::to_string_pretty(told).map_err(std::io::Error::other);
        let path = folder.join("report.json");
        write_atomic(&path, text.map_err(FolderError::io("write", &path))?.as_bytes())?;
        write_atomic(&folder.join("episodes.csv"), episodes_csv(report).as_bytes())?;
        let films = if report.rows.is_empty() { 0 } else { self.config.films.min(self.config.tasks) };
        let filmed = films::films(&Setup { protocol: self, model }, 0..films)?;
        let gifs = filmed.iter().map(|film| gif(&film.frames, films::FPS)).collect::<Result<Vec<_>, _>>()?;
        for (task, bytes) in gifs.iter().enumerate() {
            write_atomic(&folder.join(format!("task-{task:03}.gif")), bytes)?;
        }
        let told = serde_json::to_value(told).map_err(std::io::Error::other);
        let path = folder.join("report.html");
        let told = told.map_err(FolderError::io("write", &path))?;
        let films: Vec<_> = filmed.iter().zip(&gifs).map(|(film, gif)| (film.to_string(), &gif[..])).collect();
        write_atomic(&path, page(report, &told, &films, run)?.as_bytes())?;
        Ok(())
    }

    /// All planners on this model.
    ///
    /// # Errors
    /// [`EvalError`].
    pub fn compare(
        &self,
        model: &WorldModel,
        contest: &Contest,
        say: &mut dyn FnMut(&str),
    ) -> Result<Standings, EvalError> {
        compare(&Setup { protocol: self, model }, contest, say)
    }

    /// One film, of task `task`, written to `path`.
    ///
    /// # Errors
    /// [`EvalError`].
    pub fn film(&self, model: &WorldModel, task: usize, path: &Path) -> Result<Film, EvalError> {
        let none = || EvalError::Mismatch(format!("there is no task {task}: the recorded episodes have not as many"));
        let film = films::films(&Setup { protocol: self, model }, task..task + 1)?.pop().ok_or_else(none)?;
        save_gif(&film.frames, path, films::FPS)?;
        Ok(film)
    }

    fn checks(&self, model: &WorldModel) -> Result<Checks, EvalError> {
        let (statistics, env, recorded) = (&self.blueprint.statistics, self.env.as_ref(), self.source.as_deref());
        checks(model, statistics, env, recorded, self.config.seed, &self.device)
    }
}

/// One row per episode of every row of the report.
fn episodes_csv(report: &Report) -> String {
    let mut csv = "row,task,start,end,least,steps,evaluations\n".to_owned();
    for row in &report.rows {
        for e in &row.episodes {
            let steps = e.steps.map_or(String::new(), |s| s.to_string());
            let EpisodeRow { task, start, end, least, evaluations, .. } = e;
            csv += &format!("{},{task},{start:.3},{end:.3},{least:.3},{steps},{evaluations}\n", row.name);
        }
    }
    csv
}

/// A [`Protocol`] in the training loop: the checks, and a few tasks.
pub struct TrainingEvaluation<'a> {
    /// The protocol.
    pub protocol: &'a Protocol,
    /// The model's data, where there is some to validate with.
    pub splits: Option<Splits>,
    /// Hears one line per evaluation.
    pub say: Box<dyn FnMut(&str) + 'a>,
    /// The run.
    pub run: &'a RunFolder,
    /// The folder of the last evaluation, and its update. Default none.
    pub folder: Option<(u64, PathBuf)>,
}

impl TrainingEvaluation<'_> {
    /// The folder of this training's evaluation of an update, the same whenever it is asked for; nobody else writes into it.
    ///
    /// # Errors
    /// [`FolderError::Io`].
    pub fn folder(&mut self, step: u64) -> Result<PathBuf, FolderError> {
        if let Some((_, folder)) = self.folder.as_ref().filter(|(at, _)| *at == step) {
            return Ok(folder.clone());
        }
        let folder = self.run.claim_eval(step)?;
        self.folder = Some((step, folder.clone()));
        Ok(folder)
    }
}

impl Evaluate<WorldModel> for TrainingEvaluation<'_> {
    fn evaluate(&mut self, model: &WorldModel, step: u64, tracker: &mut Tracker) -> Evaluated {
        let setup = Setup { protocol: self.protocol, model };
        let checks = self.protocol.checks(model)?;
        let mut numbers = checks.numbers();
        let worthiness = setup.worthiness(1)?;
        if let Some(worthiness) = &worthiness {
            numbers.append(&mut worthiness.numbers());
        }
        if let Some(splits) = &self.splits {
            let (statistics, device) = (&self.protocol.blueprint.statistics, &self.protocol.device);
            numbers.append(&mut splits.imagination(model, statistics, device)?);
        }
        let tasks = match self.protocol.env.spec().task {
            Some(_) => self.protocol.config.tasks_in_training.min(self.protocol.config.tasks),
            None => 0,
        };
        let mut said = Vec::new();
        if tasks > 0 {
            let report = evaluate(&setup, step, tasks, false, &mut |_| {})?;
            numbers.append(&mut report.numbers());
            if let Some(row) = report.headline() {
                for (round, search) in row.trace.iter().enumerate() {
                    let values = [
                        ("energy_best", search.best),
                        ("energy_mean", search.mean),
                        ("energy_spread", search.spread),
                        ("action_deviation", search.deviation),
                        ("gradient_norm", search.gradient),
                    ];
                    numbers.extend(values.map(|(name, value)| (format!("plan_round_{round:02}/{name}"), value)));
                }
                let [low, high] = row.interval.map(|x| 100.0 * x);
                let n = row.episodes.len();
                said.push(format!("success {:.0} % ({low:.0}-{high:.0} %, n = {n})", 100.0 * row.success));
            }
            if let Some(film) = films::films(&setup, 0..1)?.first() {
                save_gif(&film.frames, &self.folder(step)?.join("task-000.gif"), films::FPS)?;
                tracker.film(step, "eval/task-000", &film.frames, films::FPS)?;
            }
        }
        let probes: Vec<String> =
            checks.probes.iter().map(|p| format!("{} {:.2}{}", p.label, p.rmse, behind(&p.unit))).collect();
        if !probes.is_empty() {
            said.push(format!("probes {}", probes.join(", ")));
        }
        if tasks == 0
            && let Some(error) = numbers.get("worthiness/error_first")
        {
            said.push(format!("imagination off by {error:.3} of the variance of latents after a block"));
        }
        if let Some(correlation) = checks.learned_rank_correlation.or(checks.latent_rank_correlation) {
            said.push(format!("rank correlation {correlation:.3}"));
        }
        if let Some(push) = checks.pushes.iter().find(|p| p.kind == "blocked" && p.count > 0) {
            let unit = checks.probes.first().map_or(String::new(), |place| behind(&place.unit));
            let (model, truth, steps) = (push.model[2], push.truth[2], push.steps[2]);
            said.push(format!("leak {model:.1}{unit} in {steps} pushes (true {truth:.1})"));
        }
        (self.say)(&format!("update {step}: {}", said.join(", ")));
        if worthiness.is_some_and(|worthiness| worthiness.stands_still()) {
            (self.say)(&format!("warning: {STANDS_STILL}"));
        }
        Ok(numbers.into_iter().collect())
    }
}
