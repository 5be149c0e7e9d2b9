//! Evaluation during training and at its end.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use gedanken_data::Source;
use gedanken_env::Env;
use gedanken_model::{Blueprint, WorldModel};
use gedanken_planner::PlannerConfig;
use gedanken_train::film::save_gif;
use gedanken_train::run_folder::{FolderError, write_atomic};
use gedanken_train::{Evaluate, Tracker};

use crate::baselines::Setup;
use crate::report::EpisodeRow;
use crate::{Bench, Comparison, EvalConfig, EvalError, Report, bench, checks, evaluate, films};

/// Evaluates models under one protocol, and writes what it finds into a folder.
pub struct Evaluator {
    /// The environment, with the protocol's options.
    pub env: Box<dyn Env>,
    /// The protocol.
    pub config: EvalConfig,
    /// What recorded tasks are cut from.
    pub source: Option<Arc<dyn Source>>,
    /// How to plan.
    pub planner: PlannerConfig,
    /// What the model is made of.
    pub blueprint: Blueprint,
    /// Where it lives.
    pub device: Device,
}

impl Evaluator {
    fn setup<'a>(&'a self, model: &'a WorldModel) -> Setup<'a> {
        Setup {
            env: self.env.as_ref(),
            config: &self.config,
            source: self.source.as_deref(),
            planner: &self.planner,
            model,
            blueprint: &self.blueprint,
            device: &self.device,
        }
    }

    /// The whole evaluation: all tasks, floors and ceilings, checks; `report.json`, `episodes.csv` and films in `folder`.
    ///
    /// # Errors
    /// [`EvalError`].
    pub fn full(
        &self,
        model: &WorldModel,
        step: u64,
        folder: &Path,
        say: &mut dyn FnMut(&str),
    ) -> Result<Report, EvalError> {
        let setup = self.setup(model);
        let mut report = evaluate(&setup, step, self.config.tasks, self.config.baselines, say)?;
        report.checks = Some(self.checks(model));
        report.worthiness = setup.worthiness()?;
        create(folder)?;
        let text = serde_json::to_string_pretty(&report).map_err(std::io::Error::other);
        let path = folder.join("report.json");
        write_atomic(&path, text.map_err(FolderError::io("write", &path))?.as_bytes())?;
        write_atomic(&folder.join("episodes.csv"), episodes_csv(&report).as_bytes())?;
        for (task, film) in films::films(&setup, 0..self.config.films.min(self.config.tasks))?.iter().enumerate() {
            save_gif(film, &folder.join(format!("task-{task:03}.gif")), films::FPS)?;
        }
        Ok(report)
    }

    /// All planners on this model.
    ///
    /// # Errors
    /// [`EvalError`].
    pub fn bench(&self, model: &WorldModel, what: &Comparison, say: &mut dyn FnMut(&str)) -> Result<Bench, EvalError> {
        bench(&self.setup(model), what, say)
    }

    /// One film, of task `task`.
    ///
    /// # Errors
    /// [`EvalError`].
    pub fn film(&self, model: &WorldModel, task: usize, path: &Path) -> Result<(), EvalError> {
        let films = films::films(&self.setup(model), task..task + 1)?;
        if let Some(film) = films.last() {
            save_gif(film, path, films::FPS)?;
        }
        Ok(())
    }

    fn checks(&self, model: &WorldModel) -> crate::Checks {
        checks(model, &self.blueprint.statistics, self.env.as_ref(), self.config.seed, &self.device)
    }
}

fn create(folder: &Path) -> Result<(), FolderError> {
    std::fs::create_dir_all(folder).map_err(FolderError::io("create", folder))
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

/// An [`Evaluator`] in the training loop: the checks, and a few tasks.
pub struct TrainingEvaluation<'a> {
    /// Evaluates.
    pub evaluator: &'a Evaluator,
    /// Hears one line per evaluation.
    pub say: Box<dyn FnMut(&str) + 'a>,
}

impl Evaluate<WorldModel> for TrainingEvaluation<'_> {
    fn evaluate(
        &mut self,
        model: &WorldModel,
        step: u64,
        folder: &Path,
        tracker: &mut Tracker,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let evaluator = self.evaluator;
        let checks = evaluator.checks(model);
        let mut numbers = checks.numbers();
        if let Some(worthiness) = evaluator.setup(model).worthiness()? {
            numbers.append(&mut worthiness.numbers());
        }
        let tasks = evaluator.config.tasks_in_training.min(evaluator.config.tasks);
        let mut line = format!("update {step}: ");
        if tasks > 0 {
            let setup = evaluator.setup(model);
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
                line += &format!("success {:.0} % ({low:.0}-{high:.0} %, n = {tasks}), ", 100.0 * row.success);
            }
            create(folder)?;
            if let Some(film) = films::films(&setup, 0..1)?.first() {
                save_gif(film, &folder.join("task-000.gif"), films::FPS)?;
                tracker.film(step, "eval/task-000", film, films::FPS)?;
            }
        }
        let probes: Vec<String> =
            checks.probes.iter().map(|p| format!("{} {:.2} {}", p.label, p.rmse, p.unit)).collect();
        line += &format!("probes {}", probes.join(", "));
        if let Some(correlation) = checks.learned_rank_correlation.or(checks.latent_rank_correlation) {
            line += &format!(", rank correlation {correlation:.3}");
        }
        if let Some(push) = checks.pushes.iter().find(|p| p.kind == "blocked" && p.count > 0) {
            line += &format!(", leak {:.1} px in {} pushes (true {:.1})", push.model[2], push.steps[2], push.truth[2]);
        }
        let named: Vec<(&str, f64)> = numbers.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        tracker.scalars(step, &named)?;
        (self.say)(&line);
        Ok(())
    }
}
