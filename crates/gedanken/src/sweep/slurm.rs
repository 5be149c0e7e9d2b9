//! A sweep as a job array of Slurm.
//!
//! ```text
//! DIR/slurm/job.sh      the job, as sbatch takes it
//! DIR/slurm/runs.txt    the folders of the runs: task i of the array trains the one on line i + 1
//! DIR/slurm/JOB_i.txt   what Slurm and the job's shell say of task i
//! ```

use std::path::Path;
use std::process::Command;

use gedanken_run::write_atomic;
use serde_json::{Map, Value};

use super::Plan;
use crate::commands::{Failure, absolute};

/// Options that the array itself needs.
const TAKEN: [&str; 6] = ["array", "output", "error", "open-mode", "requeue", "signal"];

/// Seconds before its time is over in which a run saves and goes back into the queue.
const NOTICE: u32 = 120;

/// The first option of `[sweep.slurm]` that is none of sbatch's or not free, with what is wrong with it.
pub(crate) fn wrong(options: &Map<String, Value>) -> Option<(String, String)> {
    let plain = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    options.iter().find_map(|(name, value)| {
        let problem = match value {
            _ if TAKEN.contains(&name.as_str()) => "the sweep sets it itself; expected another option".to_owned(),
            _ if !plain(name) => "expected a long option of sbatch: gres, cpus-per-task".to_owned(),
            Value::String(text) if text.contains(['\n', '\r', '\0']) => "expected one line".to_owned(),
            Value::String(_) | Value::Number(_) | Value::Bool(true) => return None,
            other => format!("found {other}; expected a text, a number, or true for an option without a value"),
        };
        Some((name.clone(), problem))
    })
}

/// Writes the job of the runs that are not finished, and their list. None where all are.
pub(crate) fn write(plan: &Plan, options: &Map<String, Value>, jobs: Option<u32>) -> Result<Option<usize>, Failure> {
    let folder = absolute(&plan.folder).join("slurm");
    let mut left = Vec::new();
    for (number, task) in plan.tasks.iter().enumerate() {
        if !task.run()?.is_finished() {
            left.push(number.to_string());
        }
    }
    let runs: String = plan.tasks.iter().map(|task| format!("{}\n", absolute(&task.folder).display())).collect();
    write_atomic(&folder.join("runs.txt"), runs.as_bytes())?;
    if left.is_empty() {
        return Ok(None);
    }
    let at_once = jobs.map_or_else(String::new, |jobs| format!("%{jobs}"));
    let array = format!("{}{at_once}", left.join(","));
    let program = absolute(&std::env::current_exe()?);
    write_atomic(&folder.join("job.sh"), script(&folder, &program, &array, options).as_bytes())?;
    Ok(Some(left.len()))
}

/// The job. A task is put back into the queue before its time is over; cancelled or preempted, it saves. Whenever it starts again, it goes on.
fn script(folder: &Path, program: &Path, array: &str, options: &Map<String, Value>) -> String {
    let named = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("#SBATCH --{name}={text}\n"),
        Value::Bool(_) => format!("#SBATCH --{name}\n"),
        value => format!("#SBATCH --{name}={value}\n"),
    };
    let options: String = options.iter().map(named).collect();
    let (output, folder, program) = (folder.display(), quoted(folder), quoted(program));
    format!(
        r#"#!/bin/bash
#SBATCH --job-name=gedanken
#SBATCH --array={array}
#SBATCH --output="{output}/%A_%a.txt"
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@{NOTICE}
{options}
run=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" {folder}/runs.txt)
export RAYON_NUM_THREADS=${{SLURM_CPUS_PER_TASK:-1}}
save() {{ kill -TERM "$training" 2> /dev/null; wait "$training"; }}
again() {{ echo "time is nearly over: saved, and back into the queue"; scontrol requeue "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"; exit 0; }}
trap 'save; again' USR1
trap 'save; echo "stopped and saved"; exit 130' TERM
echo "start ${{SLURM_RESTART_COUNT:-0}} of $run on $(hostname)"
{program} train --resume "$run" >> "$run/log.txt" 2>&1 < /dev/null &
training=$!
wait "$training"
code=$?
echo "ended with $code"
exit $code
"#
    )
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

/// Hands the job to sbatch; its number.
pub(crate) fn submit(plan: &Plan) -> Result<String, Failure> {
    let job = absolute(&plan.folder).join("slurm").join("job.sh");
    let at = job.display();
    let output = Command::new("sbatch").arg("--parsable").arg(&job).output();
    let output = output.map_err(|error| {
        let about = "expected Slurm's commands on this machine";
        format!("sbatch: {error}; {about}. The job is written: sbatch {at}")
    })?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(said(&output.stdout).split(';').next().unwrap_or_default().to_owned()),
        false => Err(format!("sbatch {at}: {}", said(&output.stderr)).into()),
    }
}
