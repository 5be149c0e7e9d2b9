//! Numbers, pictures and films of a run while it trains: for TensorBoard, and in `metrics.jsonl` for scripts.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Serialize, Serializer};
use serde_json::Value;
use tensorboard_proto::summary::Summary_Value;

use crate::atomic::write_atomic_with;
use crate::dashboards::{self, Chart};
use crate::error::FolderError;
use crate::gif::gif;
use crate::picture::{Picture, PictureError};
use crate::tensorboard::{self, Events};

/// Why numbers or pictures of a run could not be written.
#[derive(Debug, thiserror::Error)]
pub enum TrackError {
    /// `metrics.jsonl` could not be read or written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A picture or film could not be encoded.
    #[error("{tag}: {source}")]
    Picture {
        /// Its name.
        tag: String,
        /// The encoder's error.
        source: PictureError,
    },
    /// The scalar's name does not do as a key.
    #[error("scalar `{0}`: a name is not empty, and `step` and `seconds` are taken")]
    Tag(String),
    /// A resumed run's `metrics.jsonl` has something other than a line of metrics.
    #[error("{}:{line}: not a line of metrics; move the file away to go on without it", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
    },
}

/// Writes the numbers, pictures and films of a run.
///
/// `metrics.jsonl` gets one line per call of [`Tracker::scalars`], at once:
///
/// ```text
/// {"step":100,"seconds":12.5,"train/loss":0.25,"train/gradient":null}
/// ```
///
/// `seconds` is the time spent on the run so far, without the time between a stop and a resume. `null` is an infinity or NaN;
/// TensorBoard's file has it as it is. A failure to write this file is an error. A failure to write TensorBoard's is a warning,
/// once, and the run goes on without it.
pub struct Tracker {
    metrics: PathBuf,
    file: File,
    length: u64,
    start: Instant,
    before: f64,
    events: Option<Events>,
    warn: Box<dyn FnMut(&str) + Send>,
}

impl Tracker {
    /// For a new run in `folder`, which exists. `warn` gets the warnings.
    ///
    /// # Errors
    /// [`TrackError::Folder`]: `metrics.jsonl` exists, or cannot be created.
    pub fn create(folder: &Path, warn: impl FnMut(&str) + Send + 'static) -> Result<Self, TrackError> {
        let metrics = folder.join("metrics.jsonl");
        let file = OpenOptions::new().append(true).create_new(true).open(&metrics);
        let file = file.map_err(FolderError::io("create", &metrics))?;
        Ok(Self::start(folder, metrics, file, (0, 0.0), 0, Box::new(warn)))
    }

    /// For a run that goes on after `step`: forgets the lines of later ones, so that the file will read like that of a run which
    /// never stopped.
    ///
    /// # Errors
    /// [`TrackError::Line`], [`TrackError::Folder`].
    pub fn resume(folder: &Path, step: u64, warn: impl FnMut(&str) + Send + 'static) -> Result<Self, TrackError> {
        let metrics = folder.join("metrics.jsonl");
        let (length, seconds) = truncate(&metrics, step)?;
        let file = OpenOptions::new().append(true).open(&metrics).map_err(FolderError::io("write", &metrics))?;
        Ok(Self::start(folder, metrics, file, (length, seconds), step + 1, Box::new(warn)))
    }

    fn start(
        folder: &Path,
        metrics: PathBuf,
        file: File,
        (length, before): (u64, f64),
        first_step: u64,
        warn: Box<dyn FnMut(&str) + Send>,
    ) -> Self {
        let mut tracker = Self { metrics, file, length, start: Instant::now(), before, events: None, warn };
        match Events::create(folder, first_step) {
            Ok(events) => tracker.events = Some(events),
            Err(error) => tracker.without_tensorboard(&error),
        }
        tracker
    }

    /// Seconds spent on the run so far.
    pub fn seconds(&self) -> f64 {
        self.before + self.start.elapsed().as_secs_f64()
    }

    /// Numbers of a step, by name; `a/b` groups them in TensorBoard. No name twice.
    ///
    /// # Errors
    /// [`TrackError::Tag`], [`TrackError::Folder`].
    pub fn scalars<S: AsRef<str>>(&mut self, step: u64, values: &[(S, f64)]) -> Result<(), TrackError> {
        if let Some((tag, _)) = values.iter().find(|(tag, _)| ["", "step", "seconds"].contains(&tag.as_ref())) {
            return Err(TrackError::Tag(tag.as_ref().to_owned()));
        }
        let line = Line { step, seconds: (self.seconds() * 1000.0).round() / 1000.0, values };
        let bytes = serde_json::to_vec(&line).map_err(io::Error::from);
        let written = bytes.and_then(|mut bytes| {
            bytes.push(b'\n');
            self.file.write_all(&bytes).inspect_err(|_| drop(self.file.set_len(self.length)))?;
            Ok(bytes.len() as u64)
        });
        self.length += written.map_err(FolderError::io("write", &self.metrics))?;
        self.tell(step, values.iter().map(|(tag, value)| tensorboard::scalar(tag.as_ref(), *value)).collect());
        Ok(())
    }

    /// A histogram of numbers; infinities and NaN are left out.
    pub fn histogram(&mut self, step: u64, tag: &str, values: &[f32]) {
        self.tell(step, tensorboard::histogram(tag, values).into_iter().collect());
    }

    /// A picture.
    ///
    /// # Errors
    /// [`TrackError::Picture`].
    pub fn image(&mut self, step: u64, tag: &str, picture: &Picture) -> Result<(), TrackError> {
        let png = picture.png().map_err(|source| TrackError::Picture { tag: tag.to_string(), source })?;
        self.tell(step, vec![tensorboard::image(tag, png, picture.size())]);
        Ok(())
    }

    /// A film of frames of one size, `fps` of them a second.
    ///
    /// # Errors
    /// [`TrackError::Picture`]: no frame, or frames of several sizes.
    pub fn film(&mut self, step: u64, tag: &str, frames: &[Picture], fps: f32) -> Result<(), TrackError> {
        let gif = gif(frames, fps).map_err(|source| TrackError::Picture { tag: tag.to_string(), source })?;
        self.tell(step, vec![tensorboard::image(tag, gif, frames[0].size())]);
        Ok(())
    }

    /// Numbers that stand in a report of their own: for TensorBoard alone, once a run.
    pub fn results(&mut self, step: u64, values: &[(String, f64)]) {
        self.tell(step, values.iter().map(|(tag, value)| tensorboard::scalar(tag, *value)).collect());
    }

    /// The run's settings by dotted key, and the charts of its curves: for TensorBoard's HParams and Custom Scalars.
    pub fn dashboards(&mut self, step: u64, settings: &[(String, Value)], charts: &[Chart]) {
        let pages = dashboards::settings(settings).and_then(|settings| Ok(vec![settings, dashboards::layout(charts)?]));
        match pages {
            Ok(pages) => self.tell(step, pages),
            Err(error) => self.without_tensorboard(&io::Error::other(error)),
        }
    }

    /// A text in Markdown.
    pub fn text(&mut self, step: u64, tag: &str, markdown: &str) {
        self.tell(step, vec![tensorboard::text(tag, markdown)]);
    }

    /// Syncs `metrics.jsonl` to the disk, so that it outlasts a power cut: before a checkpoint of the same update is written.
    ///
    /// # Errors
    /// [`TrackError::Folder`].
    pub fn flush(&mut self) -> Result<(), TrackError> {
        Ok(self.file.sync_all().map_err(FolderError::io("write", &self.metrics))?)
    }

    fn tell(&mut self, step: u64, values: Vec<Summary_Value>) {
        if values.is_empty() {
            return;
        }
        if let Some(Err(error)) = self.events.as_mut().map(|events| events.add(step, values)) {
            self.events = None;
            self.without_tensorboard(&error);
        }
    }

    fn without_tensorboard(&mut self, error: &io::Error) {
        (self.warn)(&format!("nothing more is written for TensorBoard: {error}; metrics.jsonl goes on"));
    }
}

/// One line of `metrics.jsonl`; keys in the order given.
struct Line<'a, S> {
    step: u64,
    seconds: f64,
    values: &'a [(S, f64)],
}

impl<S: AsRef<str>> Serialize for Line<'_, S> {
    fn serialize<W: Serializer>(&self, serializer: W) -> Result<W::Ok, W::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("step", &self.step)?;
        map.serialize_entry("seconds", &self.seconds)?;
        for (tag, value) in self.values {
            map.serialize_entry(tag.as_ref(), value)?; // JSON has no NaN and no infinity: serde_json writes null
        }
        map.end()
    }
}

/// Keeps the lines of `step` and earlier ones; returns the length of the file and the seconds of the last line.
fn truncate(path: &Path, step: u64) -> Result<(u64, f64), TrackError> {
    let mut bad = None;
    let kept = write_atomic_with(path, |new| {
        let mut new = BufWriter::new(new);
        let (mut length, mut seconds) = (0, 0.0);
        let mut old = match File::open(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok((0, 0.0)),
            old => BufReader::new(old?),
        };
        let mut line = Vec::new();
        for number in 1.. {
            if !read_line(&mut old, &mut line)? {
                break;
            }
            let json: serde_json::Value = serde_json::from_slice(&line).unwrap_or_default();
            let (Some(at), Some(then)) = (json["step"].as_u64(), json["seconds"].as_f64()) else {
                bad = Some(number);
                return Err(io::ErrorKind::InvalidData.into());
            };
            if at <= step {
                line.push(b'\n');
                new.write_all(&line)?;
                (length, seconds) = (length + line.len() as u64, then);
            }
        }
        new.flush()?;
        Ok((length, seconds))
    });
    match bad {
        Some(line) => Err(TrackError::Line { path: path.to_path_buf(), line }),
        None => Ok(kept?),
    }
}

/// Reads the next line, without its newline; false after the last. One without a newline was cut short by a kill or a full disk, and
/// is none.
fn read_line(file: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    file.read_until(b'\n', line)?;
    Ok(line.pop() == Some(b'\n'))
}

/// The points of a curve in the `metrics.jsonl` of a run's folder: updates and values, in order, without those that are not finite. None
/// where there is no such file.
///
/// # Errors
/// [`TrackError::Folder`]. A line that is no line of metrics has no point.
pub fn curve(run: &Path, name: &str) -> Result<Vec<(u64, f64)>, TrackError> {
    let mut points = Vec::new();
    each_line(run, |step, numbers| {
        points.extend(numbers.get(name).and_then(Value::as_f64).map(|value| (step, value)))
    })?;
    Ok(points)
}

/// All curves of a run's folder by name, as [`curve`].
///
/// # Errors
/// As [`curve`].
pub fn curves(run: &Path) -> Result<BTreeMap<String, Vec<(u64, f64)>>, TrackError> {
    let mut curves: BTreeMap<String, Vec<(u64, f64)>> = BTreeMap::new();
    each_line(run, |step, numbers| {
        for (name, value) in numbers.iter().filter(|(name, _)| *name != "step" && *name != "seconds") {
            if let Some(value) = value.as_f64() {
                curves.entry(name.clone()).or_default().push((step, value));
            }
        }
    })?;
    Ok(curves)
}

/// Reads `metrics.jsonl` line by line: updates, and all numbers. There may be no such file.
fn each_line(run: &Path, mut then: impl FnMut(u64, &serde_json::Map<String, Value>)) -> Result<(), TrackError> {
    let path = run.join("metrics.jsonl");
    let mut read = || {
        let mut line = Vec::new();
        let mut file = match File::open(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => BufReader::new(file?),
        };
        while read_line(&mut file, &mut line)? {
            let numbers: serde_json::Map<String, Value> = serde_json::from_slice(&line).unwrap_or_default();
            if let Some(step) = numbers.get("step").and_then(Value::as_u64) {
                then(step, &numbers);
            }
        }
        Ok(())
    };
    Ok(read().map_err(FolderError::io("read", &path))?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::picture::{GROUND, WARM};

    fn quiet(_: &str) {}

    /// The lines without what depends on the clock.
    fn lines(folder: &Path) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(folder.join("metrics.jsonl")).unwrap();
        let mut lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines.iter_mut().for_each(|line| drop(line.as_object_mut().unwrap().remove("seconds")));
        lines
    }

    fn steps(tracker: &mut Tracker, steps: std::ops::RangeInclusive<u64>) {
        for step in steps {
            tracker.scalars(step, &[("train/loss", 1.0 / step as f64), ("train/lr", 0.1)]).unwrap();
        }
    }

    #[test]
    fn a_line_is_there_at_once_with_its_keys_in_order_and_null_for_what_is_not_finite() {
        let folder = tempfile::tempdir().unwrap();
        let mut tracker = Tracker::create(folder.path(), quiet).unwrap();
        tracker.scalars(3, &[("z", 0.25), ("a", f64::NAN), ("b", f64::INFINITY)]).unwrap();
        let text = fs::read_to_string(folder.path().join("metrics.jsonl")).unwrap();
        assert!(
            text.starts_with(r#"{"step":3,"seconds":"#) && text.ends_with("\"z\":0.25,\"a\":null,\"b\":null}\n"),
            "{text}"
        );
        assert!(matches!(tracker.scalars(4, &[("step", 1.0)]), Err(TrackError::Tag(_))));
        assert!(Tracker::create(folder.path(), quiet).is_err(), "a run is not overwritten");
    }

    #[test]
    fn a_resumed_run_tells_what_an_unbroken_one_tells() {
        let (unbroken, resumed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        steps(&mut Tracker::create(unbroken.path(), quiet).unwrap(), 1..=20);
        let mut tracker = Tracker::create(resumed.path(), quiet).unwrap();
        tracker.before = 1000.0;
        steps(&mut tracker, 1..=14);
        drop(tracker);
        // Killed in the middle of a line.
        let path = resumed.path().join("metrics.jsonl");
        let mut text = fs::read(&path).unwrap();
        text.extend_from_slice(br#"{"step":15,"seco"#);
        fs::write(&path, text).unwrap();

        let mut tracker = Tracker::resume(resumed.path(), 10, quiet).unwrap();
        assert!(tracker.seconds() >= 1000.0, "time goes on");
        assert_eq!(lines(resumed.path()).len(), 10);
        steps(&mut tracker, 11..=20);
        assert_eq!(lines(resumed.path()), lines(unbroken.path()));
        assert_eq!(tracker.length, fs::metadata(&path).unwrap().len());
    }

    #[test]
    fn a_curve_has_the_points_that_were_written() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(curve(folder.path(), "train/loss").unwrap(), []);
        let mut tracker = Tracker::create(folder.path(), quiet).unwrap();
        steps(&mut tracker, 1..=2);
        tracker.scalars(3, &[("train/loss", f64::NAN)]).unwrap();
        tracker.scalars(4, &[("train/loss", 0.125), ("b", 1.0)]).unwrap();
        assert_eq!(curve(folder.path(), "train/loss").unwrap(), [(1, 1.0), (2, 0.5), (4, 0.125)]);
        assert_eq!(curve(folder.path(), "b").unwrap(), [(4, 1.0)]);
    }

    #[test]
    fn a_run_without_metrics_resumes_and_one_with_something_else_says_where() {
        let folder = tempfile::tempdir().unwrap();
        steps(&mut Tracker::resume(folder.path(), 5, quiet).unwrap(), 6..=6);
        assert_eq!(lines(folder.path()).len(), 1);
        let path = folder.path().join("metrics.jsonl");
        fs::write(&path, "{\"step\":1,\"seconds\":0.5}\nhello\n{\"step\":2,\"seconds\":0.5}\n").unwrap();
        let error = Tracker::resume(folder.path(), 5, quiet).err().unwrap().to_string();
        assert!(error.contains("metrics.jsonl:2"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3, "untouched");
    }

    #[test]
    fn training_survives_tensorboard_and_hears_of_it_once() {
        let folder = tempfile::tempdir().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&heard);
        let mut tracker = Tracker::create(folder.path(), move |m| ear.lock().unwrap().push(m.to_string())).unwrap();
        tracker.events.as_mut().unwrap().kill();
        steps(&mut tracker, 1..=5);
        tracker.histogram(5, "weights", &[1.0, 2.0]);
        assert_eq!(lines(folder.path()).len(), 5);
        let heard = heard.lock().unwrap();
        assert!(heard.len() == 1 && heard[0].contains("TensorBoard"), "{heard:?}");
    }

    #[test]
    fn pictures_films_and_texts_go_to_tensorboard() {
        let folder = tempfile::tempdir().unwrap();
        let mut tracker = Tracker::create(folder.path(), |message| panic!("{message}")).unwrap();
        let frames = [Picture::new(6, 4, GROUND), Picture::new(6, 4, WARM)];
        tracker.image(1, "seen", &frames[0]).unwrap();
        tracker.film(1, "film", &frames, 10.0).unwrap();
        tracker.text(1, "config", "text");
        tracker.flush().unwrap();
        let error = tracker.film(1, "empty", &[], 10.0).unwrap_err().to_string();
        assert!(error.contains("empty"), "{error}");
    }
}
