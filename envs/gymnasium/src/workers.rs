//! The processes of an environment, and the worlds in them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gedanken_env::{ActionSpace, EnvError, Field, Label, ObservationSpace, PolicyInfo, Spec, TaskInfo};
use gedanken_worker::Worker;
use serde_json::{Value, json};

use crate::options::{NAME, Options};
use crate::policy::Wander;
use crate::world::World;

/// The program of a process.
const PROGRAM: &str = include_str!("gedanken_env.py");

/// The processes of one set of options.
pub struct Workers {
    pub options: Options,
    pub spec: Spec,
    /// Columns of the labels that count for the distance to a goal.
    pub goal_columns: Vec<usize>,
    processes: Mutex<Vec<Process>>,
    /// True where a state is reached by taking its actions again.
    replays: bool,
    fault: OnceLock<String>,
}

/// Worlds of a process that an environment keeps between two questions; some simulators fill 100 MB each. Those beyond are lent for one question, where
/// a state is quickly set.
const KEPT: u64 = 8;

/// A process and its worlds.
struct Process {
    worker: Arc<Mutex<Worker>>,
    /// Worlds that were made in it.
    worlds: u64,
    /// Those that nobody uses.
    free: Vec<World>,
}

impl Process {
    /// With the world that is there from its start.
    fn new(worker: Worker) -> Self {
        let worker = Arc::new(Mutex::new(worker));
        Self { free: vec![World { worker: worker.clone(), number: 0 }], worker, worlds: 1 }
    }

    /// Worlds in use, and true while one of them is being asked.
    fn load(&self) -> (u64, bool) {
        (self.worlds - self.free.len() as u64, self.worker.try_lock().is_err())
    }
}

/// Processes live as long as the program: environments are made again and again from the same options.
static ALL: Mutex<BTreeMap<String, Arc<Workers>>> = Mutex::new(BTreeMap::new());

impl Workers {
    /// Those of these options, started if there are none.
    pub fn of(options: &Options) -> Result<Arc<Self>, EnvError> {
        let key = serde_json::to_string(options).unwrap_or_default();
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(workers) = all.get(&key).filter(|workers| workers.fault().is_none()) {
            return Ok(workers.clone());
        }
        let workers = Arc::new(
            Self::start(options).map_err(|message| EnvError::broken(NAME, format!("{}: {message}", options.id)))?,
        );
        all.insert(key, workers.clone());
        Ok(workers)
    }

    fn start(options: &Options) -> Result<Self, String> {
        let labels: Vec<(&String, &String)> = options.labels.iter().collect();
        let mut asked = serde_json::to_value(options).map_err(|error| error.to_string())?;
        asked["labels"] = json!(labels);
        let question = json!({ "ask": "open", "options": asked });
        let mut first = Worker::start(&options.python, PROGRAM, options.timeout)?;
        let (found, _) = first.ask(&question)?;
        let count = match options.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        let mut processes = vec![first];
        for _ in 1..count {
            let mut worker = Worker::start(&options.python, PROGRAM, options.timeout)?;
            worker.ask(&question)?;
            processes.push(worker);
        }
        let spec = spec(options, &found)?;
        let mut goal_columns: Vec<usize> = Vec::new();
        for name in &options.goal_labels {
            let columns = spec.label_columns(name);
            if columns.is_empty() {
                let known: Vec<&str> = spec.labels.iter().map(|label| label.name.as_str()).collect();
                return Err(format!("goal_labels: `{name}`; expected some of {}", known.join(", ")));
            }
            goal_columns.extend(columns);
        }
        if options.goal_labels.is_empty() {
            goal_columns = (0..spec.label_len()).collect();
        }
        let processes = Mutex::new(processes.into_iter().map(Process::new).collect());
        let replays = found["kind"] == "replay";
        Ok(Self { options: options.clone(), spec, goal_columns, processes, replays, fault: OnceLock::new() })
    }

    /// A world in the process that has the least to do: one that nobody uses, or a new one.
    pub fn lend(&self) -> Result<World, String> {
        let mut processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(process) = processes.iter_mut().min_by_key(|process| process.load()) else {
            return Err("no process".to_owned());
        };
        if let Some(world) = process.free.pop() {
            return Ok(world);
        }
        let world = World { worker: process.worker.clone(), number: process.worlds };
        process.worlds += 1;
        drop(processes);
        let question = json!({ "ask": "new", "world": world.number });
        world.worker.lock().unwrap_or_else(PoisonError::into_inner).ask(&question)?;
        Ok(world)
    }

    /// True for a world that may stay lent between two questions.
    pub fn keeps(&self, world: &World) -> bool {
        self.replays || world.number < KEPT
    }

    /// Takes a world back.
    pub fn take_back(&self, world: Option<World>) {
        let Some(world) = world else { return };
        let mut processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner);
        let own = processes.iter_mut().find(|process| Arc::ptr_eq(&process.worker, &world.worker));
        if let Some(process) = own {
            process.free.push(world);
        }
    }

    /// Remembers what broke first.
    pub fn broke(&self, message: String) {
        self.fault.get_or_init(|| format!("{}: {message}", self.options.id));
    }

    /// What broke.
    pub fn fault(&self) -> Option<String> {
        self.fault.get().cloned()
    }
}

/// The spec, from what a process found.
fn spec(options: &Options, found: &Value) -> Result<Spec, String> {
    let number = |value: &Value| value.as_u64().unwrap_or(0) as usize;
    let discrete = found["discrete"].as_bool() == Some(true);
    let bound = |side: &str| -> Option<Vec<f32>> {
        Some(found["bounds"][side].as_array()?.iter().filter_map(|x| Some(x.as_f64()? as f32)).collect())
    };
    let count = number(&found["actions"]);
    let action = match (discrete, bound("low").zip(bound("high"))) {
        (true, _) => ActionSpace::cube(count, 0.0, 1.0, "of each choice"),
        (false, Some((low, high))) => ActionSpace { low, high, max_norm: None, unit: "1".to_owned() },
        (false, None) => ActionSpace::cube(count, -options.action_bound, options.action_bound, "1"),
    };
    let channels = number(&found["picture"][2]);
    if channels != 1 && channels != 3 {
        return Err(format!("pictures of {} [height, width, channels]; expected 1 or 3 channels", found["picture"]));
    }
    let picture = ObservationSpace { channels, height: options.size, width: options.size };
    let half = number(&found["state"]);
    let field = |whose: &'static str| (0..half).map(move |i| Field::new(&format!("{whose}{i}"), "1"));
    let sizes = found["labels"].as_array().cloned().unwrap_or_default();
    let labels: Vec<Label> =
        options.labels.keys().zip(&sizes).map(|(name, size)| Label::new(name, number(size), "1")).collect();
    let about = format!("{} of Gymnasium; its state by {}.", options.id, found["kind"].as_str().unwrap_or_default());
    Ok(Spec {
        task: (options.radius > 0.0 && !labels.is_empty()).then(|| TaskInfo::new(options.radius, "1")),
        labels,
        policies: vec![
            PolicyInfo::new(Wander::NAME, "a random action, held for up to eight steps"),
            PolicyInfo::new(gedanken_env::Uniform::NAME, "each number of the action uniform in its bounds"),
        ],
        outside: true,
        ..Spec::new(NAME, &about, picture, action, field("now").chain(field("goal")))
    })
}
